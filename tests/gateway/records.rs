//! The audit record of an exchange is written, whatever the caller sends.

use serde_json::json;

use crate::harness::TestGateway;

#[tokio::test]
async fn no_request_has_too_many_findings_for_its_record() {
    let gateway = TestGateway::new().spawn();
    let request = json!({ "input": vec!["<s>".repeat(8); 1024] });
    let reply = gateway.post("/v1/moderations", &request).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body["results"].as_array().unwrap().len(), 1024);

    let record = &gateway.decisions()[0];
    let verdicts = record["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 1024);
    let mut findings = 0;
    for verdict in verdicts {
        assert_eq!(verdict["action"], "flag");
        assert_eq!(verdict["categories"][0]["category"], "prompt_injection");
        assert!(!verdict["findings"].as_array().unwrap().is_empty());
        findings += verdict["findings"].as_array().unwrap().len() as u64;
    }
    assert_eq!(record["left_out"]["findings"], 8 * 1024 - findings);
}
