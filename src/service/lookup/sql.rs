//! A row of a database.

use super::super::database::{Access, Cell, Database, DatabaseError, Found, Usage, password};
use super::LONGEST;
use super::piece::{Piece, names};
use crate::settings::LookupSettings;
use crate::template::{Fields, Scalar};

/// Connections to one database, at most.
const CONNECTIONS: u32 = 4;

/// What is asked by a query.
#[derive(Debug)]
pub(super) struct SqlSource {
    database: Database,
    pieces: Vec<Piece>,
}

impl SqlSource {
    /// A query with `:name` where a value belongs; the error says what is wrong.
    pub fn new(url: &str, query: &str, settings: &LookupSettings) -> Result<Self, String> {
        let usage = Usage {
            connections: CONNECTIONS,
            timeout: settings.timeout,
        };
        let access = Access {
            password: settings.password_file.as_deref().map(password).transpose()?,
            ca_file: settings.ca_file.clone(),
        };
        Ok(Self {
            database: Database::new(url, access, usage).map_err(|error| format!("sql: {error}"))?,
            pieces: pieces(query),
        })
    }

    /// The names of the values, in their order.
    pub fn names(&self) -> Vec<&str> {
        names(&self.pieces)
    }

    /// The first row for these values; no fields where there is none.
    pub async fn ask(&self, values: &[Option<String>]) -> Result<Fields, String> {
        let Some(query) = self.filled(values) else {
            return Ok(Fields::default());
        };
        let rows = self.database.rows(query, 1).await.map_err(|error| match error {
            DatabaseError::Down(error) | DatabaseError::Content(error) => error.to_string(),
        })?;
        let mut fields = Fields::default();
        for Found { name, kind, value } in rows.into_iter().flatten() {
            let scalar = scalar(value, &kind);
            if matches!(&scalar, Scalar::Text(text) if text.len() > LONGEST) {
                return Err(format!("column {name}: more than {LONGEST} octets"));
            }
            fields.set(name, scalar);
        }
        Ok(fields)
    }

    /// The query with its values; `None` where no row can have one of them.
    fn filled(&self, values: &[Option<String>]) -> Option<String> {
        let mut values = values.iter();
        let mut query = String::new();
        for piece in &self.pieces {
            match (piece, values.as_slice()) {
                (Piece::Text(text), _) => query.push_str(text),
                (Piece::Name(_), [Some(value), ..]) => query.push_str(&self.database.literal(value)?),
                (Piece::Name(_), _) => query.push_str("NULL"),
            }
            if matches!(piece, Piece::Name(_)) {
                values.next();
            }
        }
        Some(query)
    }
}

/// The pieces of a query. What stands in quotes stays as it is, and so does `::`.
fn pieces(query: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::with_capacity(query.len());
    let mut quote = None;
    let mut rest = query.chars().peekable();
    let mut before = ' ';
    while let Some(c) = rest.next() {
        let starts = rest
            .peek()
            .is_some_and(|next| next.is_ascii_alphabetic() || *next == '_');
        if quote.is_none() && c == ':' && before != ':' && starts {
            let mut name = String::new();
            while let Some(next) = rest.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                name.push(next);
            }
            pieces.push(Piece::Text(std::mem::take(&mut text)));
            pieces.push(Piece::Name(name));
            before = ' ';
            continue;
        }
        quote = match quote {
            None if matches!(c, '\'' | '"' | '`') => Some(c),
            Some(open) if c == open => None,
            quote => quote,
        };
        text.push(c);
        before = c;
    }
    pieces.push(Piece::Text(text));
    pieces
}

/// A value as templates see it: numbers and truth values as such, everything else as text.
fn scalar(value: Cell, kind: &str) -> Scalar {
    let text = match value {
        Cell::Int(number) => return Scalar::Int(number),
        Cell::Text(text) => text,
        Cell::Octets(octets) => String::from_utf8_lossy(&octets).into_owned(),
    };
    let is_number = kind.contains("INT") && !kind.contains("INTERVAL") && !kind.contains("POINT");
    match (kind, text.as_str()) {
        ("BOOL" | "BOOLEAN", "t" | "1") => Scalar::Bool(true),
        ("BOOL" | "BOOLEAN", "f" | "0") => Scalar::Bool(false),
        _ if is_number => text.parse().map_or(Scalar::Text(text), Scalar::Int),
        _ => Scalar::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn values_stand_where_their_names_stood() {
        let settings = LookupSettings {
            sql: None,
            query: None,
            http: None,
            password_file: None,
            ca_file: None,
            timeout: std::time::Duration::from_secs(1),
            cache: std::time::Duration::ZERO,
            cache_entries: 0,
            optional: false,
        };
        let query = "SELECT ':x', a::text FROM t WHERE mac = :mac AND n = :n_1";
        let filled = |url: &str| {
            let source = SqlSource::new(url, query, &settings).unwrap();
            assert_eq!(source.names(), ["mac", "n_1"]);
            source.filled(&[Some("a'b\\".to_owned()), None]).unwrap()
        };
        let quoted = "SELECT ':x', a::text FROM t WHERE mac = 'a''b\\' AND n = NULL";
        assert_eq!(filled("sqlite:x"), quoted);
        assert_eq!(filled("postgres://u@127.0.0.1/x"), quoted);
        assert_eq!(
            filled("mysql://u@127.0.0.1/x"),
            "SELECT ':x', a::text FROM t WHERE mac = _utf8mb4 X'6127625c' AND n = NULL"
        );
        assert!(SqlSource::new("oracle:x", query, &settings).is_err());
    }
}
