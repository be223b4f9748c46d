//! `*` in an expression that minijinja evaluates: as a filter, which looks at what it repeats before it does.

use std::borrow::Cow;

/// The filter that `*` becomes.
pub(super) const TIMES: &str = "__times";

/// Operators of the rank of `*`, which are read from left to right.
const RANK: [&str; 4] = ["*", "/", "//", "%"];
/// Operators that bind less, and what ends what `*` stands in.
const ENDS: [&str; 15] = [
    "+", "-", "~", "==", "!=", "<", "<=", ">", ">=", ",", ")", "]", "}", ":", "=",
];
/// The same in words.
const END_WORDS: [&str; 6] = ["and", "or", "not", "in", "if", "else"];
/// Signs of two characters, which are not two signs.
const PAIRS: [&str; 6] = ["**", "//", "==", "!=", "<=", ">="];

#[derive(Clone, Copy)]
struct Token<'t> {
    text: &'t str,
    start: usize,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether a value can end here, so that a sign that follows stands between two.
    fn ends_a_value(&self) -> bool {
        let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'' | ')' | ']' | '}');
        self.text.ends_with(name) && !END_WORDS.contains(&self.text)
    }

    /// Whether it ends a side of `*` where it stands outside of brackets, behind the tokens `before`.
    fn ends_a_side(&self, before: &[Self]) -> bool {
        let is_sign = matches!(self.text, "-" | "+") && !before.last().is_some_and(Self::ends_a_value);
        // The words of a test: `is not`, `is in`, `is not in`. `not` and `not in` without `is` bind less than `*`.
        let of_test = match before {
            [.., word] if word.text == "is" => true,
            [.., is, not] => (is.text, not.text) == ("is", "not"),
            _ => false,
        };
        ENDS.contains(&self.text) && !is_sign || END_WORDS.contains(&self.text) && !of_test
    }
}

/// `a / b * c` as `(a / b )|__times( c)`.
pub(super) fn without_products(text: &str) -> Cow<'_, str> {
    if !text.contains('*') {
        return Cow::Borrowed(text);
    }
    let tokens = tokens(text);
    // Octets that are taken out, and what comes in their place.
    let mut changes: Vec<(usize, usize, String)> = Vec::new();
    for (at, sign) in tokens.iter().enumerate() {
        let (before, after) = (
            tokens.get(..at).unwrap_or_default(),
            tokens.get(at + 1..).unwrap_or_default(),
        );
        if sign.text != "*" || !before.last().is_some_and(Token::ends_a_value) {
            continue;
        }
        let (Some(first), Some(last)) = (left_side(before), right_side(after)) else {
            continue;
        };
        changes.push((first, 0, "(".to_owned()));
        changes.push((sign.start, 1, format!(")|{TIMES}(")));
        changes.push((last, 0, ")".to_owned()));
    }
    changes.sort_by_key(|(at, ..)| *at);
    let mut written = String::with_capacity(text.len() + 8 * changes.len());
    let mut from = 0;
    for (at, length, added) in changes {
        written.push_str(text.get(from..at).unwrap_or_default());
        written.push_str(&added);
        from = at + length;
    }
    written.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(written)
}

/// Where the last of `tokens` begins its row of products.
fn left_side(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0usize;
    let mut first = None;
    for (at, token) in tokens.iter().enumerate().rev() {
        let before = tokens.get(..at).unwrap_or_default();
        match token.text {
            ")" | "]" | "}" => depth += 1,
            "(" | "[" | "{" if depth == 0 => break,
            "(" | "[" | "{" => depth -= 1,
            _ if depth == 0 && token.ends_a_side(before) => break,
            _ => {}
        }
        first = Some(token.start);
    }
    first
}

/// Where the value that begins with the first of `tokens` ends; `None` where there is none, as before a word of an operator.
fn right_side(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0usize;
    let mut last: Option<&Token<'_>> = None;
    for (at, token) in tokens.iter().enumerate() {
        let before = tokens.get(..at).unwrap_or_default();
        if depth == 0 && (RANK.contains(&token.text) || token.ends_a_side(before)) {
            break;
        }
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        last = Some(token);
    }
    last.filter(|token| token.ends_a_value()).map(Token::end)
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = text.get(start..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(start..).unwrap_or_default();
        let length = match first {
            '"' | '\'' => quoted(rest, first),
            c if c.is_ascii_digit() => number(rest),
            c if c.is_alphanumeric() || c == '_' => word(rest),
            _ if PAIRS.iter().any(|pair| rest.starts_with(pair)) => 2,
            c => c.len_utf8(),
        };
        if !first.is_whitespace() {
            let text = rest.get(..length).unwrap_or_default();
            tokens.push(Token { text, start });
        }
        start += length;
    }
    tokens
}

fn word(rest: &str) -> usize {
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    end.unwrap_or(rest.len())
}

/// Digits, with a fraction and an exponent.
fn number(rest: &str) -> usize {
    let mut end = word(rest);
    let digits = |from: usize| {
        rest.get(from..)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if rest.get(end..).is_some_and(|rest| rest.starts_with('.')) && digits(end + 1) {
        end += 1 + word(rest.get(end + 1..).unwrap_or_default());
    }
    let mantissa = rest.get(..end).unwrap_or_default();
    let exponent = mantissa.ends_with(['e', 'E']) && !mantissa.starts_with("0x") && !mantissa.starts_with("0X");
    if exponent && rest.get(end..).is_some_and(|rest| rest.starts_with(['+', '-'])) && digits(end + 1) {
        end += 1 + word(rest.get(end + 1..).unwrap_or_default());
    }
    end
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn products_become_filters_and_nothing_else_changes() {
        for (text, written) in [
            ("a + b", "a + b"),
            ("'a*b' ~ c", "'a*b' ~ c"),
            ("2 ** 3", "2 ** 3"),
            ("a * b", "(a )|__times( b)"),
            ("a*-b|int + c", "(a)|__times(-b|int) + c"),
            ("f(a * 2, *b)", "f((a )|__times( 2), *b)"),
            ("a * b * c", "((a )|__times( b) )|__times( c)"),
            ("a / b * c ~ d", "(a / b )|__times( c) ~ d"),
            ("1 - -a * b", "1 - (-a )|__times( b)"),
            ("a * (b * c)", "(a )|__times( ((b )|__times( c)))"),
            ("a * b if c else d", "(a )|__times( b) if c else d"),
            ("a * 'x)' ~ d", "(a )|__times( 'x)') ~ d"),
            ("a * 1.5e-3 - 2", "(a )|__times( 1.5e-3) - 2"),
            ("a * not (b)", "a * not (b)"),
            ("a*-not (b)", "a*-not (b)"),
            ("not not a * b", "not not (a )|__times( b)"),
            ("a not in b * c", "a not in (b )|__times( c)"),
            ("a is not in b * c", "(a is not in b )|__times( c)"),
            ("x is not none * 2 + 1", "(x is not none )|__times( 2) + 1"),
        ] {
            assert_eq!(without_products(text), written);
        }
    }

    fn any_arithmetic() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            (0i64..20).prop_map(|number| number.to_string()),
            Just("1.5".to_owned()),
            Just("true".to_owned()),
            Just("[3, 4][1]".to_owned()),
        ];
        leaf.prop_recursive(5, 32, 2, |inner| {
            let operator = prop::sample::select(vec![
                "*", "*", "*", "+", "-", "/", "//", "%", "**", "<", "==", "and", "or", "~", "in", "not in",
            ]);
            prop_oneof![
                4 => (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}*-{b}")),
                2 => inner.clone().prop_map(|a| format!("({a})")),
                1 => inner.clone().prop_map(|a| format!("{a}|abs")),
                1 => inner.clone().prop_map(|a| format!("not {a}")),
                1 => inner.clone().prop_map(|a| format!("({a} is not none)")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} is not in ([{b}, 1]))")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}] | sum")),
                1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            ]
        })
    }

    proptest! {
        #[test]
        fn numbers_are_multiplied_as_ever(text in any_arithmetic()) {
            let value = |environment: &minijinja::Environment<'static>, text: &str| {
                let compiled = environment.compile_expression(text).map_err(|error| error.to_string());
                compiled.and_then(|compiled| compiled.eval(()).map_err(|error| error.to_string()))
            };
            let wanted = value(&minijinja::Environment::new(), &text);
            // Behind an operator `not` is a name, which makes nonsense of most texts: nothing is promised of those.
            prop_assume!(!wanted.as_ref().is_err_and(|error| error.starts_with("syntax error")));
            let given = value(&super::super::bounds::environment(), &without_products(&text));
            match (wanted, given) {
                (Ok(wanted), Ok(given)) => prop_assert_eq!(wanted.to_string(), given.to_string(), "{}", text),
                (wanted, given) => prop_assert_eq!(wanted.is_ok(), given.is_ok(), "{}: {:?} {:?}", text, wanted, given),
            }
        }
    }
}
