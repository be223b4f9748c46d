//! What commands import and export: rows in files, CSV with a header or JSON lines; and rows of the database, in pages.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{CliError, csv, output, pki};
use crate::store::StoreError;

/// How many rows of the database are read at once.
pub(super) const PAGE: usize = 1_000;

/// A row of a file: its fields by name.
pub(super) type Record = Map<String, Value>;

/// A row that cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Bad {
    /// Its line, from 1.
    pub(super) line: usize,
    /// The character on that line, from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<usize>,
    /// What is wrong with it.
    #[serde(rename = "error")]
    pub(super) reason: String,
}

impl Bad {
    /// A row that is wrong as a whole.
    pub(super) fn new(line: usize, reason: impl Into<String>) -> Self {
        Self {
            line,
            column: None,
            reason: reason.into(),
        }
    }
}

/// What a kind of file may hold.
pub(super) struct Columns<'a> {
    /// Whether CSV may have a column of this name.
    pub(super) known: &'a dyn Fn(&str) -> bool,
    /// The names, for errors.
    pub(super) expected: &'a str,
    /// A header, for errors.
    pub(super) example: &'a str,
    /// Whether values are secret: then no error quotes one, not even what stands where a name belongs.
    pub(super) secret: bool,
}

/// Where a record stands in its file.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    /// Its line, from 1.
    line: usize,
    /// Its text, as it stands there.
    text: &'a str,
    /// The columns of CSV; `None` for JSON.
    header: Option<Rc<[String]>>,
    /// The entry of a JSON line that the record is, such as `impus[0]`; `None` for a whole line.
    entry: Option<String>,
}

impl<'a> Place<'a> {
    /// An entry of this line, which is one of JSON.
    pub(super) fn entry(&self, list: &str, index: usize) -> Self {
        Self {
            entry: Some(format!("{list}[{index}]")),
            ..self.clone()
        }
    }

    /// The bad record. A reason that begins with a field's name and a colon gets the place of that field.
    pub(super) fn bad(&self, reason: impl Into<String>) -> Bad {
        let reason = reason.into();
        let field = reason.split_once(": ").and_then(|(name, _)| self.of_field(name));
        let (line, column) = field.map_or((self.line, None), |(line, column)| (line, Some(column)));
        let reason = match &self.entry {
            Some(entry) => format!("{entry}.{reason}"),
            None => reason,
        };
        Bad { line, column, reason }
    }

    /// Line and column of a field; `None` where it is not there, or an entry's.
    fn of_field(&self, name: &str) -> Option<(usize, usize)> {
        match &self.header {
            Some(header) => self.of_column(header.iter().position(|column| column == name)?),
            None if self.entry.is_none() => Some((self.line, json_key(self.text, name)?)),
            None => None,
        }
    }

    fn of_column(&self, index: usize) -> Option<(usize, usize)> {
        let (lines, column) = csv::place(self.text, index)?;
        Some((self.line + lines, column))
    }

    /// The bad record whose field in this column of CSV is wrong.
    fn bad_column(&self, index: usize, reason: String) -> Bad {
        let (line, column) = self.of_column(index).unzip();
        Bad {
            line: line.unwrap_or(self.line),
            column,
            reason,
        }
    }
}

/// The character, from 1, where a key of a JSON object of one line stands. Of a key that stands in it more than once, as in
/// objects within it, it is the first.
fn json_key(line: &str, name: &str) -> Option<usize> {
    let key = Value::from(name).to_string();
    let mut places = line.match_indices(&key).map(|(at, _)| at);
    // Within a text, the quote before it would have a backslash.
    let at = places.find(|&at| !line[..at].ends_with('\\') && line[at + key.len()..].trim_start().starts_with(':'))?;
    Some(line[..at].chars().count() + 1)
}

/// The records of a file, each with its place.
pub(super) type Records<'a> = Vec<(Place<'a>, Result<Record, Bad>)>;

/// Reads CSV or JSON lines, told by the first character. Of CSV, where all fields are text, `typed` makes what a JSON line
/// would say.
pub(super) fn records<'a>(
    text: &'a str,
    columns: &Columns<'_>,
    typed: impl Fn(Record) -> Result<Record, String>,
) -> Records<'a> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        from_json_lines(text)
    } else {
        from_csv(text, columns, typed)
    }
}

fn from_json_lines(text: &str) -> Records<'_> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, text)| {
            let place = Place {
                line: at + 1,
                text,
                header: None,
                entry: None,
            };
            let record = serde_json::from_str(text).map_err(|error| Bad {
                column: Some(error.column()).filter(|&column| column > 0),
                ..Bad::new(place.line, "no JSON object")
            });
            (place, record)
        })
        .collect()
}

fn from_csv<'a>(text: &'a str, columns: &Columns<'_>, typed: impl Fn(Record) -> Result<Record, String>) -> Records<'a> {
    let mut rows = csv::rows(text).into_iter();
    let place = |line, text, header| Place {
        line,
        text,
        header,
        entry: None,
    };
    let Some(first) = rows.next() else {
        let reason = format!("the file is empty: expected a header such as {}", columns.example);
        return vec![(place(1, text, None), Err(Bad::new(1, reason)))];
    };
    let at_first = place(first.line, first.text, None);
    let header = first.fields.map_err(|wrong| wrong.at(first.line));
    let header: Rc<[String]> = match header.and_then(|names| known(names, columns, &at_first)) {
        Ok(names) => names.into(),
        Err(bad) => return vec![(at_first, Err(bad))],
    };
    rows.map(|row| {
        let place = place(row.line, row.text, Some(Rc::clone(&header)));
        let fields = row.fields.map_err(|wrong| wrong.at(row.line));
        let record = fields.and_then(|fields| named(&header, fields, &place));
        let record = record.and_then(|record| typed(record).map_err(|reason| place.bad(reason)));
        (place, record)
    })
    .collect()
}

/// The names of a header, where all of them are known.
fn known(names: Vec<String>, columns: &Columns<'_>, place: &Place<'_>) -> Result<Vec<String>, Bad> {
    let Some(index) = names.iter().position(|name| !(columns.known)(name)) else {
        return Ok(names);
    };
    // A file without a header has a value somewhere in its first line.
    let quoted = match names.get(index) {
        Some(name) if !columns.secret => format!(" '{name}'"),
        _ => String::new(),
    };
    let reason = format!("unknown column{quoted}: expected {}", columns.expected);
    Err(place.bad_column(index, reason))
}

/// The fields of a row by their names; empty ones are absent.
fn named(header: &[String], fields: Vec<String>, place: &Place<'_>) -> Result<Record, Bad> {
    let count = format!("{} fields where the header has {}", fields.len(), header.len());
    if let Some(missing) = header.get(fields.len()) {
        return Err(Bad::new(place.line, format!("{count}: there is none for {missing}")));
    }
    if fields.len() > header.len() {
        return Err(place.bad_column(header.len(), count));
    }
    let filled = header.iter().zip(fields).filter(|(_, field)| !field.is_empty());
    Ok(filled.map(|(name, field)| (name.clone(), field.into())).collect())
}

/// What a file says: its good rows, each with its place, and its bad ones.
#[derive(Debug)]
pub(super) struct Read<'a, T> {
    pub(super) rows: Vec<(Place<'a>, T)>,
    pub(super) bad: Vec<Bad>,
}

impl<'a, T> Read<'a, T> {
    /// Makes a row of each record. Rows with the same key are bad, all but the first. A reason of `row` begins with the
    /// name of its field and a colon, where one field is to blame.
    pub(super) fn new<K: Eq + Hash + Display>(
        records: Records<'a>,
        row: impl Fn(Record) -> Result<T, String>,
        key: impl Fn(&T) -> K,
    ) -> Self {
        let mut read = Self {
            rows: Vec::new(),
            bad: Vec::new(),
        };
        let mut lines = HashMap::new();
        for (place, record) in records {
            match record.and_then(|record| row(record).map_err(|reason| place.bad(reason))) {
                Ok(row) => {
                    let key = key(&row);
                    match lines.get(&key) {
                        None => {
                            lines.insert(key, place.line);
                            read.rows.push((place, row));
                        }
                        Some(first) => read
                            .bad
                            .push(Bad::new(place.line, format!("{key} stands on line {first} already"))),
                    }
                }
                Err(bad) => read.bad.push(bad),
            }
        }
        read
    }
}

/// The text of a file, or of standard input for `-`.
///
/// # Errors
/// [`CliError::Failed`].
pub(super) fn text(file: &Path) -> Result<Zeroizing<String>, CliError> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    text.map(Zeroizing::new).map_err(|error| CliError::file(file, error))
}

/// Stores what a file says, all of its good rows or, where one is bad and `skip_bad` is not said, none; and tells what
/// became of it. `what` names the rows.
///
/// # Errors
/// Those of `store`; [`CliError::Reported`] where nothing was stored for a bad row.
pub(super) async fn import<T>(
    file: &Path,
    read: Read<'_, T>,
    what: &str,
    (skip_bad, as_json): (bool, bool),
    store: impl AsyncFnOnce(Vec<T>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    for Bad { line, column, reason } in &read.bad {
        let column = column.map(|column| format!("{column}:")).unwrap_or_default();
        eprintln!("hardline: {}:{line}:{column} {reason}", file.display());
    }
    let whole = read.bad.is_empty() || skip_bad;
    let rows: Vec<T> = match whole {
        true => read.rows.into_iter().map(|(_, row)| row).collect(),
        false => Vec::new(),
    };
    let stored = rows.len();
    if stored > 0 {
        store(rows).await?;
    }
    if as_json {
        output::print_json(&json!({"stored": stored, "bad": read.bad}))?;
    } else {
        output::print(&format!("{stored} {what} stored, {} bad rows\n", read.bad.len()))?;
    }
    if whole {
        return Ok(());
    }
    eprintln!(
        "hardline: nothing of {} is stored: correct the rows, or pass --skip-bad",
        file.display()
    );
    Err(CliError::Reported(1))
}

/// Whether an export is JSON lines: by its name, or by `--json` where it goes to standard output.
pub(super) fn as_lines(file: &Path, as_json: bool) -> bool {
    let extension = file.extension();
    extension.is_some_and(|extension| extension == "jsonl" || extension == "json")
        || (as_json && file == Path::new("-"))
}

/// Writes an export of `count` rows to a file that its owner alone may read, or to standard output for `-`.
///
/// # Errors
/// [`CliError::Failed`].
pub(super) fn export(file: &Path, text: &str, count: usize, what: &str, as_json: bool) -> Result<(), CliError> {
    if file == Path::new("-") {
        return output::print(text);
    }
    pki::write(file, text.as_bytes(), 0o600)?;
    if as_json {
        return output::print_json(&json!({"exported": count, "file": file}));
    }
    output::print(&format!("{count} {what} exported to {}\n", file.display()))
}

/// Gives each row of the database to `each`, in pages: `fetch` reads those after a key.
///
/// # Errors
/// Those of `fetch` and `each`.
pub(super) async fn pages<T, K>(
    fetch: impl AsyncFn(Option<K>) -> Result<Vec<T>, StoreError>,
    key: impl Fn(&T) -> K,
    mut each: impl FnMut(T) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let page = fetch(after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(key(last));
        page.into_iter().try_for_each(&mut each)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, secret: bool) -> Read<'_, String> {
        let columns = Columns {
            known: &|name| name == "name" || name == "colour",
            expected: "name, colour",
            example: "name,colour",
            secret,
        };
        let row = |record: Record| {
            let name = record.get("name").and_then(Value::as_str);
            match record.get("colour").and_then(Value::as_str) {
                Some("blurred") => Err("colour: it is none".to_owned()),
                _ => name.map(str::to_owned).ok_or("name is missing".to_owned()),
            }
        };
        Read::new(records(text, &columns, Ok), row, String::clone)
    }

    #[test]
    fn both_forms_read_the_same() {
        let csv = read("\u{feff}name,colour\r\na,red\n\n\"b,c\",\n", false);
        let lines = read(
            "\u{feff}{\"name\":\"a\",\"colour\":\"red\"}\n\n{\"name\":\"b,c\"}\n",
            false,
        );
        let found = |read: &Read<'_, String>| -> Vec<_> {
            let rows = read.rows.iter();
            rows.map(|(place, name)| (place.line, name.clone())).collect()
        };
        assert_eq!(found(&csv), [(2, "a".to_owned()), (4, "b,c".to_owned())]);
        assert_eq!(found(&lines), [(1, "a".to_owned()), (3, "b,c".to_owned())]);
        assert!(csv.bad.is_empty() && lines.bad.is_empty());
    }

    #[test]
    fn a_bad_row_has_its_line_and_column() {
        let bad = |text| -> Vec<_> {
            let bad = read(text, false).bad.into_iter();
            bad.map(|bad| (bad.line, bad.column, bad.reason)).collect()
        };
        let expected = [
            (
                2,
                None,
                "1 fields where the header has 2: there is none for colour".to_owned(),
            ),
            (4, None, "b stands on line 3 already".to_owned()),
            (5, None, "name is missing".to_owned()),
        ];
        assert_eq!(bad("name,colour\na\nb,c\nb,d\n,e\n"), expected);
        assert_eq!(bad("name\n\"x\n"), [(2, Some(1), "a quote is not closed".to_owned())]);
        assert_eq!(
            bad("name,colour\nh,i\"j\n"),
            [(2, Some(3), "a quote stands within a field".to_owned())]
        );
        assert_eq!(
            bad("{\"name\": \"a\"}\n{\"name\": x}\n"),
            [(2, Some(10), "no JSON object".to_owned())]
        );
        let blamed = |line, column| [(line, Some(column), "colour: it is none".to_owned())];
        assert_eq!(bad("name,colour\n\"a\nb\",blurred\n"), blamed(3, 4));
        assert_eq!(bad("{\"name\": \"\u{e9}\", \"colour\": \"blurred\"}"), blamed(1, 15));
        assert_eq!(
            bad("{\"name\": \"\\\"colour\\\": \", \"colour\" : \"blurred\"}"),
            blamed(1, 26)
        );
        assert_eq!(
            bad("name,colour\na,b,c\n"),
            [(2, Some(5), "3 fields where the header has 2".to_owned())]
        );
        assert_eq!(bad("name,shape\n")[0].1, Some(6));
        assert_eq!(bad("[1]\n")[0].0, 1);
        assert!(bad("")[0].2.contains("header such as name,colour"));
    }

    #[test]
    fn no_error_quotes_a_secret() {
        for text in ["s3cret\n", "{\"name\": s3cret}", "{\"s3cret\"", "name\n\"s3cret"] {
            let bad = read(text, true).bad;
            assert!(!bad.is_empty() && !bad[0].reason.contains("s3cret"), "{bad:?}");
        }
        assert!(read("shape\n", false).bad[0].reason.contains("'shape'"));
    }
}
