//! Comma-separated values (RFC 4180), with the line where each row begins.

use super::rows::Bad;

/// One row: where it begins, its text, and its fields; or what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Row<'a> {
    /// Its line, from 1.
    pub(in crate::cli) line: usize,
    pub(in crate::cli) text: &'a str,
    pub(in crate::cli) fields: Result<Vec<String>, Wrong>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Wrong {
    /// Where the wrong field begins, or the text that does not belong there: the lines before it, and its column.
    place: (usize, usize),
    reason: &'static str,
}

impl Wrong {
    /// The bad row, which begins on `line`.
    pub(in crate::cli) fn at(self, line: usize) -> Bad {
        let (lines, column) = self.place;
        Bad {
            column: Some(column),
            ..Bad::new(line + lines, self.reason)
        }
    }
}

/// Where a field of a row begins: how many lines of the row are before it, and the character of its line, from 1; `None`
/// where the row has no such field.
pub(in crate::cli) fn place(row: &str, index: usize) -> Option<(usize, usize)> {
    let mut rest = row;
    for _ in 0..index {
        let (_, after) = field(rest).ok()?;
        rest = after.strip_prefix(',')?;
    }
    Some(place_before(row, rest))
}

/// Where `rest`, the end of `row`, begins.
fn place_before(row: &str, rest: &str) -> (usize, usize) {
    let before = &row[..row.len() - rest.len()];
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count(), before[line..].chars().count() + 1)
}

/// The rows of `text`; empty lines are none.
pub(in crate::cli) fn rows(text: &str) -> Vec<Row<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (fields, used) = row(rest);
        let (text, after) = rest.split_at(used);
        let is_empty = fields.as_ref().is_ok_and(|fields| fields.iter().all(String::is_empty));
        if !is_empty {
            rows.push(Row { line, text, fields });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    rows
}

/// The first row of `text`, and how many octets it takes with its line feed. A row that is wrong ends with its line.
fn row(text: &str) -> (Result<Vec<String>, Wrong>, usize) {
    let line = text.find('\n').map_or(text.len(), |at| at + 1);
    let mut fields = Vec::new();
    let mut rest = text;
    let wrong = |rest: &str, reason| {
        let place = place_before(text, rest);
        (Err(Wrong { place, reason }), line)
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
        let expected = vec![
            (1, Ok(vec!["a".into(), "b".into()])),
            (2, Ok(vec!["1,\"x\"".into(), "two\nlines".into()])),
            (6, Ok(vec!["last".into(), "z".into()])),
            (
                7,
                Err(Wrong {
                    place: (0, 1),
                    reason: "a quote is not closed",
                }),
            ),
            (8, Ok(vec!["fine".into(), "2".into()])),
        ];
        let found: Vec<_> = rows(text).into_iter().map(|row| (row.line, row.fields)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn fields_have_their_places() {
        let row = "\u{e9},\"two\nlines, \"\"x\"\"\",z,\n";
        let places: Vec<_> = (0..5).map(|index| place(row, index)).collect();
        assert_eq!(places, [Some((0, 1)), Some((0, 3)), Some((1, 15)), Some((1, 17)), None]);
        let wrong = rows("a,\"b\nc\",d\"\n").remove(0).fields.unwrap_err().at(7);
        assert_eq!((wrong.line, wrong.column), (8, Some(4)));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(fields in prop::collection::vec("[ -~\\r\\n]{0,12}", 1..5)) {
            prop_assume!(fields.iter().any(|field| !field.is_empty()));
            let line = fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\n";
            let count = fields.len();
            let expected = Row { line: 1, text: &line, fields: Ok(fields) };
            prop_assert_eq!(rows(&line), vec![expected]);
            prop_assert!(place(&line, count - 1).is_some() && place(&line, count).is_none());
        }

        #[test]
        fn hostile_text_never_panics(text in ".{0,60}") {
            for row in rows(&text) {
                let _ = place(row.text, 1);
            }
        }
    }
}
