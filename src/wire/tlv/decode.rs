//! From the octets of a file to its TLVs.

use super::dictionary::{Definition, Form, VENDOR};
use super::error::{DecodeError, TlvPath};
use super::file::{DELIMITER, END, read_varbind};
use super::kind::FileKind;
use super::tree::{Body, ConfigFile, END_OF_DATA, PAD, Tlv, is_general};

impl ConfigFile {
    /// Reads a file, whose kind its first octets tell.
    ///
    /// # Errors
    /// [`DecodeError`] names the offset, the TLV and what the format has there.
    pub fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_as(FileKind::of(octets), octets)
    }

    /// Reads a file of a known kind.
    ///
    /// # Errors
    /// As [`ConfigFile::decode`].
    pub fn decode_as(kind: FileKind, octets: &[u8]) -> Result<Self, DecodeError> {
        let table = Definition::of_file(kind);
        let mut spans = Spans::new(kind, octets);
        let mut tlvs = Vec::new();
        for span in spans.by_ref() {
            let span = span?;
            let tlv = span.read(Definition::find(table, span.kind), TlvPath::top(span.kind))?;
            let ended = span.ends(kind);
            tlvs.push(tlv);
            if ended {
                break;
            }
        }
        Ok(Self {
            kind,
            tlvs,
            trailing: spans.rest().to_vec(),
        })
    }
}

/// A TLV in a row of octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    /// Its type.
    pub kind: u8,
    /// Octets from the start of the file to its type.
    pub offset: usize,
    /// Type, length and value.
    pub whole: &'a [u8],
    /// The value; `None` for a mark.
    pub value: Option<&'a [u8]>,
}

/// Takes a row of octets apart into TLVs. After an error nothing more comes.
pub(super) struct Spans<'a> {
    file: Option<FileKind>,
    octets: &'a [u8],
    at: usize,
    base: usize,
    parent: Option<TlvPath>,
}

impl<'a> Spans<'a> {
    /// The TLVs of a file.
    pub fn new(file: FileKind, octets: &'a [u8]) -> Self {
        Self {
            file: Some(file),
            octets,
            at: 0,
            base: 0,
            parent: None,
        }
    }

    /// The TLVs in the value of the TLV `parent`, which stands at `base` of the file.
    fn within(parent: TlvPath, octets: &'a [u8], base: usize) -> Self {
        Self {
            file: None,
            octets,
            at: 0,
            base,
            parent: Some(parent),
        }
    }

    /// What is not yet taken apart.
    pub fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    fn span(&mut self, kind: u8) -> Result<Span<'a>, DecodeError> {
        let rest = self.rest();
        let offset = self.base + self.at;
        let mark = self.file == Some(FileKind::CableModem) && matches!(kind, PAD | END_OF_DATA);
        let wide = self.file.is_some_and(|file| file.is_wide(kind));
        let (header, length) = match *rest {
            _ if mark => (1, 0),
            [_, high, low, ..] if wide => (3, usize::from(u16::from_be_bytes([high, low]))),
            [_, length, ..] if !wide => (2, usize::from(length)),
            _ => return Err(self.cut(kind, offset, "the end".to_owned())),
        };
        let Some(whole) = rest.get(..header + length) else {
            let found = format!("{} of {length} octets", rest.len() - header);
            return Err(self.cut(kind, offset, found));
        };
        self.at += whole.len();
        Ok(Span {
            kind,
            offset,
            whole,
            value: whole.get(header..).filter(|_| !mark),
        })
    }

    fn cut(&self, kind: u8, offset: usize, found: String) -> DecodeError {
        DecodeError {
            offset: offset + 1,
            path: self
                .parent
                .map_or_else(|| TlvPath::top(kind), |parent| parent.child(kind)),
            expected: "a length and as many octets",
            found,
        }
    }
}

impl<'a> Iterator for Spans<'a> {
    type Item = Result<Span<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let &kind = self.rest().first()?;
        let span = self.span(kind);
        if span.is_err() {
            self.at = self.octets.len();
        }
        Some(span)
    }
}

impl Span<'_> {
    /// Whether it ends a file of `kind`.
    fn ends(&self, kind: FileKind) -> bool {
        match kind {
            FileKind::Device => self.kind == DELIMITER && self.value == Some(&[END]),
            FileKind::CableModem => self.kind == END_OF_DATA,
        }
    }

    /// Reads the value as its definition says.
    fn read(&self, definition: Option<&'static Definition>, path: TlvPath) -> Result<Tlv, DecodeError> {
        let Some(value) = self.value else {
            return Ok(Tlv::mark(self.kind));
        };
        let base = self.offset + self.whole.len() - value.len();
        let body = match definition.map(|definition| definition.form) {
            Some(Form::VarBind) => Body::VarBind(read_varbind(path, value, base)?),
            Some(Form::Group(children)) => Body::Tlvs(read_group(children, value, base, path)?),
            Some(Form::Extension(children)) => read_extension(children, value, base, path)?,
            _ => Body::Octets(value.to_vec()),
        };
        Ok(Tlv { kind: self.kind, body })
    }
}

fn read_group(
    children: &'static [Definition],
    value: &[u8],
    base: usize,
    path: TlvPath,
) -> Result<Vec<Tlv>, DecodeError> {
    Spans::within(path, value, base)
        .map(|span| {
            let span = span?;
            span.read(Definition::find(children, span.kind), path.child(span.kind))
        })
        .collect()
}

/// What a vendor made of its TLV need not be TLVs; what the dictionary describes must be.
fn read_extension(
    children: &'static [Definition],
    value: &[u8],
    base: usize,
    path: TlvPath,
) -> Result<Body, DecodeError> {
    let spans = Spans::within(path, value, base).map_while(Result::ok);
    let ouis: Vec<&[u8]> = spans
        .filter(|span| span.kind == 8)
        .filter_map(|span| span.value)
        .collect();
    let general = is_general(ouis.iter().copied().map(Some));
    let table = if general { children } else { VENDOR };
    match read_group(table, value, base, path) {
        Ok(tlvs) => Ok(Body::Tlvs(tlvs)),
        // The general extension is described; without its OUI these may be a vendor's octets.
        Err(error) if general && !ouis.is_empty() => Err(error),
        Err(_) => Ok(Body::Octets(value.to_vec())),
    }
}
