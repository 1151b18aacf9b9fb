"""The gateway in front of llama.cpp's own server, which runs the model that the gateway also runs itself."""

import os

import openai
import pytest

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
STORY = [{"role": "user", "content": "Tell me a story."}]


@pytest.fixture(scope="module")
def client():
    url = os.environ["PORTCULLIS_URL"] + "/v1"
    with openai.OpenAI(base_url=url, api_key="unused", max_retries=0, timeout=120) as client:
        if "llama-cpp" not in {model.id for model in client.models.list()}:
            pytest.skip("the package `xllamacpp` is not installed")
        yield client


def chat(client, messages=QUESTION, model="llama-cpp", **more):
    return client.chat.completions.create(model=model, messages=messages, **more)


def test_both_engines_say_and_count_the_same(client):
    request = dict(temperature=0, max_tokens=20)
    ours, theirs = (chat(client, model=model, **request) for model in ("demo", "llama-cpp"))
    assert theirs.choices[0].message.content.strip() == ours.choices[0].message.content.strip()
    assert theirs.choices[0].finish_reason == ours.choices[0].finish_reason == "length"
    assert theirs.usage.prompt_tokens == ours.usage.prompt_tokens
    assert theirs.usage.completion_tokens == ours.usage.completion_tokens == 20


def test_a_stream_adds_up_to_the_whole_answer(client):
    request = dict(temperature=0, max_tokens=40)
    whole = chat(client, **request)
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}, **request))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_the_tokens_of_all_choices_are_counted(client, stream):
    # Without an end of its own, each answer has all its tokens.
    request = dict(n=2, temperature=1.5, seed=7, max_tokens=12, logit_bias={"2": -100})
    if stream:
        options = {"include_usage": True}
        chunks = list(chat(client, STORY, stream=True, stream_options=options, **request))
        said = {choice.index for chunk in chunks for choice in chunk.choices}
        usage = chunks[-1].usage
    else:
        answer = chat(client, STORY, **request)
        assert answer.choices[0].message.content != answer.choices[1].message.content
        said, usage = {choice.index for choice in answer.choices}, answer.usage
    assert said == {0, 1}
    assert usage.completion_tokens == 24


def test_a_stop_text_ends_the_answer(client):
    answer = chat(client, temperature=0, max_tokens=20, stop=[" Paris"])
    assert answer.choices[0].message.content.strip() == "The capital of France is"
    assert answer.choices[0].finish_reason == "stop"


def test_log_probabilities_spell_the_answer(client):
    answer = chat(client, temperature=0, max_tokens=6, logprobs=True, top_logprobs=2)
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == answer.choices[0].message.content
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens)


def test_a_text_is_continued(client):
    request = dict(prompt="The capital of Italy is", temperature=0, max_tokens=8)
    answer = client.completions.create(model="llama-cpp", logprobs=1, **request)
    assert answer.choices[0].text.strip().startswith("Rome")
    assert "".join(answer.choices[0].logprobs.tokens) == answer.choices[0].text
    chunks = list(client.completions.create(model="llama-cpp", stream=True, **request))
    assert "".join(chunk.choices[0].text for chunk in chunks) == answer.choices[0].text


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_the_callers_mistake(client, stream):
    long = [{"role": "user", "content": "bread and butter " * 1000}]
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, long, max_tokens=4, stream=stream)
    assert error.value.code == "context_length_exceeded"
    assert error.value.param == "messages"
