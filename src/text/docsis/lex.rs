//! The words of the language, each with its place.

/// Where a word stands; lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// `{`
    Open,
    /// `}`
    Close,
    /// `;`
    Semicolon,
    /// A text in double quotes, without them.
    Text(String),
    /// Anything else up to a blank: a name, a number, an address.
    Word(String),
}

/// What cannot be a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LexError {
    /// A text without its closing quote on the same line.
    Quote,
    /// A comment without its end.
    Comment,
    /// An expression without its `}}` on the same line.
    Expression,
}

/// Takes a text apart.
pub(super) fn lex(text: &str) -> Result<Vec<(Position, Token)>, (Position, LexError)> {
    let mut lexer = Lexer {
        rest: text,
        position: Position { line: 1, column: 1 },
    };
    let mut tokens = Vec::new();
    while let Some(found) = lexer.token()? {
        tokens.push(found);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    rest: &'a str,
    position: Position,
}

impl Lexer<'_> {
    /// Takes the next character.
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\n' {
            self.position.line += 1;
            self.position.column = 1;
        } else {
            self.position.column += 1;
        }
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Passes over blanks and comments.
    fn skip(&mut self) -> Result<(), (Position, LexError)> {
        loop {
            if self.rest.starts_with("/*") {
                let start = self.position;
                self.next();
                self.next();
                while !self.rest.starts_with("*/") {
                    self.next().ok_or((start, LexError::Comment))?;
                }
                self.next();
                self.next();
            } else if self.peek().is_some_and(|c| c.is_whitespace() || c == '\u{feff}') {
                self.next();
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Option<(Position, Token)>, (Position, LexError)> {
        self.skip()?;
        let start = self.position;
        let token = match self.peek() {
            None => return Ok(None),
            Some('{') if !self.rest.starts_with("{{") => Token::Open,
            Some('}') => Token::Close,
            Some(';') => Token::Semicolon,
            Some('"') => {
                self.next();
                return self.text(start).map(|text| Some((start, Token::Text(text))));
            }
            Some(_) => return self.word().map(|word| Some((start, Token::Word(word)))),
        };
        self.next();
        Ok(Some((start, token)))
    }

    /// The rest of a text; `\"` is a quote within it.
    fn text(&mut self, start: Position) -> Result<String, (Position, LexError)> {
        let mut text = String::new();
        loop {
            match self.next() {
                None | Some('\n') => return Err((start, LexError::Quote)),
                Some('"') => return Ok(text),
                Some('\\') if self.peek() == Some('"') => {
                    text.push('"');
                    self.next();
                }
                Some(c) => text.push(c),
            }
        }
    }

    /// A word; blanks within quotes belong to it, as in an index, and those of `{{ an expression }}`.
    fn word(&mut self) -> Result<String, (Position, LexError)> {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if self.rest.starts_with("{{") {
                self.expression(&mut word)?;
                continue;
            }
            match c {
                '{' | '}' | ';' => break,
                c if c.is_whitespace() => break,
                '"' | '\'' => {
                    let start = self.position;
                    word.push(c);
                    self.next();
                    loop {
                        let inner = self.next().filter(|c| *c != '\n').ok_or((start, LexError::Quote))?;
                        word.push(inner);
                        if inner == c {
                            break;
                        }
                    }
                }
                c => {
                    word.push(c);
                    self.next();
                }
            }
        }
        Ok(word)
    }

    /// An expression, which ends at the first `}}`.
    fn expression(&mut self, word: &mut String) -> Result<(), (Position, LexError)> {
        let start = self.position;
        while !self.rest.starts_with("}}") {
            let inner = self
                .next()
                .filter(|c| *c != '\n')
                .ok_or((start, LexError::Expression))?;
            word.push(inner);
        }
        word.extend(self.next());
        word.extend(self.next());
        Ok(())
    }
}
