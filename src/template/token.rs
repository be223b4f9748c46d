//! The tokens of expressions that run without minijinja's machine.

/// A word, a number, a text or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Word(&'t str),
    Int(i64),
    Text(&'t str),
    Sign(&'t str),
}

/// Signs, the longer ones before those that they begin with. Those that the tree has not are here too, so that none
/// is taken for two others.
const SIGNS: [&str; 25] = [
    "==", "!=", "<=", ">=", "//", "**", "<", ">", "+", "-", "*", "~", "(", ")", "|", ",", ".", "/", "%", "[", "]", "{",
    "}", ":", "=",
];

/// The tokens of a text; `None` where it has one that only minijinja reads.
pub(super) fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' | '\'' => {
                let inner = rest.get(1..)?;
                let end = inner.find(first)?;
                let content = inner.get(..end)?;
                if content.contains('\\') {
                    return None;
                }
                (Token::Text(content), end + 2)
            }
            '0'..='9' => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                // A fraction, an exponent, digits with underscores.
                let more = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
                if rest.get(end..)?.starts_with(more) {
                    return None;
                }
                (Token::Int(rest.get(..end)?.parse().ok()?), end)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                if rest.get(end..)?.starts_with(|c: char| !c.is_ascii()) {
                    return None;
                }
                (Token::Word(rest.get(..end)?), end)
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign))?;
                (Token::Sign(rest.get(..sign.len())?), sign.len())
            }
        };
        tokens.push(token);
        rest = rest.get(length..)?.trim_start();
    }
    Some(tokens)
}
