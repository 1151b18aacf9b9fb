//! The system card as a page: self-contained, readable without a script.

use std::fmt::{self, Write as _};

use super::SystemCard;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;\
padding:0 1rem;color:#1b1b1b;background:#fff}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}code{word-break:break-all}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}a{color:#8cf}\
th,td{border-color:#444}}";

/// The whole document.
pub(super) fn page(card: &SystemCard) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut page, card);
    page
}

fn write(page: &mut String, card: &SystemCard) -> fmt::Result {
    write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>System card</title>\
         <style>{STYLE}</style></head><body><main><h1>System card</h1><p>{}</p>\
         <p>You are talking to a computer program, not to a human being.</p>",
        Escaped(&card.notice)
    )?;
    models(page, card)?;
    policy(page, card)?;
    page.push_str("<h2>Known limitations</h2><ul>");
    for limitation in &card.limitations {
        write!(page, "<li>{}</li>", Escaped(limitation))?;
    }
    page.push_str("</ul><h2>Report a problem</h2><ul>");
    for channel in &card.reporting {
        let address = Escaped(channel.address);
        let shown = Escaped(channel.address.trim_start_matches("mailto:"));
        write!(page, "<li>{}: <a href=\"{address}\">{shown}</a></li>", Escaped(channel.about))?;
    }
    page.push_str("</ul></main></body></html>");
    Ok(())
}

fn models(page: &mut String, card: &SystemCard) -> fmt::Result {
    page.push_str(
        "<h2>Models</h2><table><thead><tr><th>Name</th><th>Runs</th><th>Context</th>\
         <th>Digest</th></tr></thead><tbody>",
    );
    for model in &card.models {
        let context = model.context_tokens.map(|tokens| format!("{tokens} tokens"));
        write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            Escaped(&model.name),
            Escaped(model.kind),
            Escaped(context.as_deref().unwrap_or("not known")),
            Escaped(model.digest.as_deref().unwrap_or("not known")),
        )?;
    }
    page.push_str("</tbody></table>");
    Ok(())
}

fn policy(page: &mut String, card: &SystemCard) -> fmt::Result {
    let policy = &card.policy;
    write!(
        page,
        "<h2>Policy</h2><p>{} {}, <code>{}</code></p><table><thead><tr><th>Category</th>\
         <th>Clause</th><th>Meaning</th><th>Prompts</th><th>Answers</th></tr></thead><tbody>",
        Escaped(&policy.name),
        Escaped(&policy.version),
        Escaped(&policy.digest),
    )?;
    for category in &policy.categories {
        write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            Escaped(category.category),
            Escaped(category.clause.unwrap_or("")),
            Escaped(category.title),
            Escaped(category.input),
            Escaped(category.output),
        )?;
    }
    page.push_str("</tbody></table>");
    Ok(())
}

/// Text that cannot become markup.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::system_card::{CardModel, CardPolicy, Channel};

    #[test]
    fn names_cannot_become_markup_and_nothing_is_loaded() {
        let card = SystemCard {
            ai: true,
            notice: "<script>alert('x')</script>".to_owned(),
            models: vec![CardModel {
                name: "a\"b&c".to_owned(),
                kind: "embedded",
                digest: None,
                context_tokens: Some(4096),
            }],
            policy: CardPolicy {
                name: "p".to_owned(),
                version: "1".to_owned(),
                digest: "sha256:00".to_owned(),
                categories: Vec::new(),
            },
            limitations: vec!["it's limited"],
            reporting: vec![Channel { about: "all", address: "mailto:a@example.org" }],
        };
        let page = page(&card);
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
        assert!(page.contains("a&quot;b&amp;c"));
        assert!(!page.contains("<script"));
        assert!(!page.contains("src="));
    }
}
