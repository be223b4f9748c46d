//! Comma-separated values (RFC 4180), with the line where each row begins.

use super::rows::Bad;

/// One row: its line, from 1, and its fields; or what is wrong with it.
pub(in crate::cli) type Row = (usize, Result<Vec<String>, Wrong>);

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Wrong {
    /// The character of its line, from 1, where the wrong field begins, or the text that does not belong there; `None`
    /// where a field before it has line breaks.
    column: Option<usize>,
    reason: &'static str,
}

impl Wrong {
    /// The bad row, which begins on `line`.
    pub(in crate::cli) fn at(self, line: usize) -> Bad {
        Bad {
            column: self.column,
            ..Bad::new(line, self.reason)
        }
    }
}

/// The rows of `text`; empty lines are none.
pub(in crate::cli) fn rows(text: &str) -> Vec<Row> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (row, used) = row(rest);
        let first = line;
        line += rest[..used].matches('\n').count();
        rest = &rest[used..];
        if row.as_ref().is_ok_and(|fields| fields.iter().all(String::is_empty)) {
            continue;
        }
        rows.push((first, row));
    }
    rows
}

/// The first row of `text`, and how many octets it takes with its line feed. A row that is wrong ends with its line.
fn row(text: &str) -> (Result<Vec<String>, Wrong>, usize) {
    let line = text.find('\n').map_or(text.len(), |at| at + 1);
    let mut fields = Vec::new();
    let mut rest = text;
    let wrong = |rest: &str, reason| {
        let before = &text[..text.len() - rest.len()];
        let column = (!before.contains('\n')).then(|| before.chars().count() + 1);
        (Err(Wrong { column, reason }), line)
    };
    loop {
        let (field, after) = match field(rest) {
            Ok(read) => read,
            Err(reason) => return wrong(rest, reason),
        };
        fields.push(field);
        match after.as_bytes() {
            [b',', ..] => rest = &after[1..],
            [] => return (Ok(fields), text.len()),
            [b'\n', ..] => return (Ok(fields), text.len() - after.len() + 1),
            [b'\r', b'\n', ..] => return (Ok(fields), text.len() - after.len() + 2),
            _ => return wrong(after, "text stands behind a closing quote"),
        }
    }
}

/// The first field of `text`, and what comes after it.
fn field(text: &str) -> Result<(String, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let end = if text[..end].ends_with('\r') && text[end..].starts_with('\n') {
            end - 1
        } else {
            end
        };
        let field = text[..end].trim();
        return if field.contains('"') {
            Err("a quote stands within a field")
        } else {
            Ok((field.into(), &text[end..]))
        };
    };
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"').ok_or("a quote is not closed")?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Ok((field, rest)),
        }
    }
}

/// A field as it is written: in quotes where it needs them.
pub(in crate::cli) fn quoted(field: &str) -> String {
    let plain = !field.contains([',', '"', '\n', '\r']) && field.trim() == field;
    if plain {
        field.to_owned()
    } else {
        format!("\"{}\"", field.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_4180() {
        let text = "a,b\r\n\"1,\"\"x\"\"\",\"two\nlines\"\n\n,\n last , z\n\"open,1\nfine,2";
        let expected: Vec<Row> = vec![
            (1, Ok(vec!["a".into(), "b".into()])),
            (2, Ok(vec!["1,\"x\"".into(), "two\nlines".into()])),
            (6, Ok(vec!["last".into(), "z".into()])),
            (
                7,
                Err(Wrong {
                    column: Some(1),
                    reason: "a quote is not closed",
                }),
            ),
            (8, Ok(vec!["fine".into(), "2".into()])),
        ];
        assert_eq!(rows(text), expected);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(fields in prop::collection::vec("[ -~\\r\\n]{0,12}", 1..5)) {
            prop_assume!(fields.iter().any(|field| !field.is_empty()));
            let line = fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\n";
            prop_assert_eq!(rows(&line), vec![(1, Ok(fields))]);
        }

        #[test]
        fn hostile_text_never_panics(text in ".{0,60}") {
            rows(&text);
        }
    }
}
