//! `GenericTLV TlvCode …`: a TLV by its number.

use super::error::{ReadReason, Result};
use super::lex::Token;
use super::read::Reader;
use super::setting::SettingBody;
use crate::value::unhex;
use crate::wire::tlv::Tlv;

impl Reader<'_> {
    /// What follows `GenericTLV`.
    pub fn generic(&mut self) -> Result<SettingBody> {
        self.words.keyword("TlvCode")?;
        let kind = self.words.number("a type from 0 to 255")?;
        let Ok(kind) = u8::try_from(kind) else {
            self.words.back(1);
            return self.words.expected("a type from 0 to 255");
        };
        if self.words.peek() == Some(&Token::Open) {
            return Ok(SettingBody::Group(kind, self.block(&[])?));
        }
        let octets = match self.words.word("TlvLength, TlvType, TlvString or TlvStringZero")? {
            "TlvLength" => self.generic_octets()?,
            "TlvType" => self.generic_typed()?,
            "TlvString" => {
                let text = self.words.text("a text in quotes")?;
                self.octets(text)
            }
            "TlvStringZero" => {
                let text = self.words.text("a text in quotes")?;
                [self.octets(text), vec![0]].concat()
            }
            _ => {
                self.words.back(1);
                return self.words.expected("TlvLength, TlvType, TlvString or TlvStringZero");
            }
        };
        self.words.take(&Token::Semicolon, ";")?;
        Ok(SettingBody::Fixed(vec![Tlv::octets(kind, octets)]))
    }

    fn generic_octets(&mut self) -> Result<Vec<u8>> {
        let stated = self.words.number("a length")?;
        self.words.keyword("TlvValue")?;
        let word = self.words.word("octets in hexadecimal after 0x")?;
        let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        let Some(octets) = digits.and_then(unhex) else {
            self.words.back(1);
            return self.words.expected("octets in hexadecimal after 0x");
        };
        if octets.len() as u64 != stated {
            let found = octets.len();
            return self.words.before(ReadReason::Length { stated, found });
        }
        Ok(octets)
    }

    fn generic_typed(&mut self) -> Result<Vec<u8>> {
        let kind = self.words.word("Integer, Short, Char or IPAddress")?;
        self.words.keyword("TlvValue")?;
        let word = self.words.word("a value")?;
        let unsigned = |most: u32| word.parse::<u32>().ok().filter(|number| *number <= most);
        let octets = match kind {
            "Integer" => unsigned(u32::MAX).map(|number| number.to_be_bytes().to_vec()),
            "Short" => unsigned(0xffff).map(|number| number.to_be_bytes()[2..].to_vec()),
            "Char" => unsigned(0xff).map(|number| number.to_be_bytes()[3..].to_vec()),
            "IPAddress" => word
                .parse()
                .ok()
                .map(|address: std::net::Ipv4Addr| address.octets().to_vec()),
            _ => None,
        };
        octets.map_or_else(
            || {
                self.words.before(ReadReason::Typed {
                    text: word.chars().take(60).collect(),
                    expected: "value of TlvType Integer, Short, Char or IPAddress",
                })
            },
            Ok,
        )
    }
}
