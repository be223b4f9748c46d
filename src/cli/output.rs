//! Standard output: JSON, aligned columns, colours on terminals.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::CliError;

/// Writes `text` to standard output.
///
/// # Errors
/// [`CliError::Failed`]; but where the reader has gone, as `head` does, there is nothing more to say.
pub fn print(text: &str) -> Result<(), CliError> {
    print_octets(text.as_bytes())
}

/// Writes `octets` to standard output.
///
/// # Errors
/// As [`print`].
pub fn print_octets(octets: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(octets).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(CliError::Reported(0)),
        result => result.map_err(|error| CliError::Failed(format!("standard output: {error}"))),
    }
}

/// Writes `value` as one line of JSON.
///
/// # Errors
/// [`CliError::Failed`].
pub fn print_json<T: Serialize>(value: &T) -> Result<(), CliError> {
    let mut line = serde_json::to_string(value).map_err(|error| CliError::Failed(format!("JSON: {error}")))?;
    line.push('\n');
    print(&line)
}

/// A colour of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// As it should be.
    Green,
    /// To be looked at.
    Yellow,
    /// Wrong.
    Red,
}

/// `text` in a colour, where standard output is a terminal and nobody asked for none (`NO_COLOR`).
pub fn coloured(text: &str, colour: Colour) -> String {
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Green => 32,
        Colour::Yellow => 33,
        Colour::Red => 31,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Text that a device sent, without what would steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Rows with columns aligned, two blanks between them, the last one ragged.
pub fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "bb".to_owned()], ["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(aligned(&rows), "a    bb\nccc  d\n");
    }

    #[test]
    fn a_device_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[31m\r\nb"), "a\u{fffd}[31m\u{fffd}\u{fffd}b");
    }
}
