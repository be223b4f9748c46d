//! The words of a text one after the other, and what was expected where another stands.

use super::error::{ReadError, ReadReason, Result};
use super::lex::{Position, Token};

/// Goes through the words.
pub(super) struct Cursor<'a> {
    tokens: &'a [(Position, Token)],
    at: usize,
    end: Position,
}

impl<'a> Cursor<'a> {
    /// Before the first word; `end` is where the text ends.
    pub fn new(tokens: &'a [(Position, Token)], end: Position) -> Self {
        Self { tokens, at: 0, end }
    }

    /// The next word, which stays the next one.
    pub fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    /// The next word.
    pub fn next(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Makes the word before the present one the next.
    pub fn back(&mut self, words: usize) {
        self.at = self.at.saturating_sub(words);
    }

    /// Where the next word stands, or the end.
    pub fn position(&self) -> Position {
        self.tokens.get(self.at).map_or(self.end, |(position, _)| *position)
    }

    /// An error at the word before the present one.
    pub fn before<T>(&self, reason: ReadReason) -> Result<T> {
        let before = self.tokens.get(self.at.saturating_sub(1));
        let position = before.map_or(self.end, |(position, _)| *position);
        Err(ReadError { position, reason })
    }

    /// An error at the present word.
    pub fn expected<T>(&self, expected: &'static str) -> Result<T> {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Open) => "{".to_owned(),
            Some(Token::Close) => "}".to_owned(),
            Some(Token::Semicolon) => ";".to_owned(),
            Some(Token::Text(text)) => format!("\"{}\"", text.chars().take(40).collect::<String>()),
            Some(Token::Word(word)) => format!("'{}'", word.chars().take(40).collect::<String>()),
        };
        Err(ReadError {
            position: self.position(),
            reason: ReadReason::Expected { expected, found },
        })
    }

    /// Takes the word that belongs here.
    pub fn take(&mut self, token: &Token, expected: &'static str) -> Result<()> {
        if self.peek() != Some(token) {
            return self.expected(expected);
        }
        self.at += 1;
        Ok(())
    }

    /// Takes a word.
    pub fn word(&mut self, expected: &'static str) -> Result<&'a str> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.expected(expected),
        }
    }

    /// Takes a text in quotes.
    pub fn text(&mut self, expected: &'static str) -> Result<&'a str> {
        match self.peek() {
            Some(Token::Text(text)) => {
                self.at += 1;
                Ok(text)
            }
            _ => self.expected(expected),
        }
    }

    /// Takes a word or a text in quotes.
    pub fn value(&mut self) -> Result<&'a str> {
        match self.peek() {
            Some(Token::Word(word) | Token::Text(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.expected("a value"),
        }
    }

    /// Takes a number.
    pub fn number(&mut self, expected: &'static str) -> Result<u64> {
        let word = self.word(expected)?;
        word.parse().or_else(|_| {
            self.at -= 1;
            self.expected(expected)
        })
    }

    /// Takes one certain word.
    pub fn keyword(&mut self, keyword: &'static str) -> Result<()> {
        match self.peek() {
            Some(Token::Word(word)) if word == keyword => {
                self.at += 1;
                Ok(())
            }
            _ => self.expected(keyword),
        }
    }
}
