//! A position in the tokens of a statement, with the words that were tried there: the error message of a statement that is
//! not understood lists exactly those words.

use super::SYNTAX_CODE;
use super::masking::{secrets, shown};
use super::tokens::{Token, TokenKind, tokens};
use strandline_types::{ErrorClass, Failure};

/// Reads tokens forward. Every `accept` that does not match is remembered until one does.
pub struct Cursor<'a> {
    statement: &'a str,
    tokens: Vec<Token>,
    next: usize,
    tried: Vec<String>,
    /// Options that were given: none is given twice.
    given: Vec<&'static str>,
}

impl<'a> Cursor<'a> {
    /// At the beginning of `statement`.
    ///
    /// # Errors
    /// `Invalid` when it cannot be cut into tokens.
    pub fn new(statement: &'a str) -> Result<Self, Failure> {
        Ok(Self { statement, tokens: tokens(statement)?, next: 0, tried: Vec::new(), given: Vec::new() })
    }

    fn kind(&self) -> &TokenKind {
        // The last token is `End` and is never passed, so `next` is always inside.
        &self.tokens[self.next.min(self.tokens.len() - 1)].kind
    }

    fn advance(&mut self) {
        self.next += 1;
        self.tried.clear();
    }

    fn missed(&mut self, expected: impl Into<String>) {
        let expected = expected.into();
        if !self.tried.contains(&expected) {
            self.tried.push(expected);
        }
    }

    /// Takes the keyword if it stands here.
    pub fn accept(&mut self, keyword: &str) -> bool {
        let here = self.is_at(keyword);
        if here {
            self.advance();
        }
        here
    }

    /// True when the keyword stands here; it is not taken.
    pub fn is_at(&mut self, keyword: &str) -> bool {
        let here = matches!(self.kind(), TokenKind::Word(w) if w.eq_ignore_ascii_case(keyword));
        if !here {
            self.missed(keyword);
        }
        here
    }

    /// Takes the keyword if it stands here; an error message does not name it when it does not.
    pub fn accept_quietly(&mut self, keyword: &str) -> bool {
        let here = matches!(self.kind(), TokenKind::Word(w) if w.eq_ignore_ascii_case(keyword));
        if here {
            self.advance();
        }
        here
    }

    /// Takes the keyword of an option if it stands here.
    ///
    /// # Errors
    /// `Invalid` when the statement has it already: it would not be clear which of the two counts.
    pub fn option(&mut self, keyword: &'static str) -> Result<bool, Failure> {
        if !self.accept(keyword) {
            return Ok(false);
        }
        if self.given.contains(&keyword) {
            let what = format!("{keyword} is given twice");
            let failure = Failure::new(ErrorClass::Invalid, what, shown(self.statement), "write it once");
            return Err(failure.with_code(SYNTAX_CODE));
        }
        self.given.push(keyword);
        Ok(true)
    }

    /// Takes the symbol if it stands here.
    pub fn accept_symbol(&mut self, symbol: char) -> bool {
        let here = *self.kind() == TokenKind::Symbol(symbol);
        if here {
            self.advance();
        } else {
            self.missed(format!("'{symbol}'"));
        }
        here
    }

    /// Takes the keyword.
    ///
    /// # Errors
    /// `Invalid` when something else stands here.
    pub fn need(&mut self, keyword: &str) -> Result<(), Failure> {
        if self.accept(keyword) { Ok(()) } else { Err(self.failure()) }
    }

    /// Passes over an `=`, which is optional nearly everywhere in the original.
    pub fn optional_equals(&mut self) {
        if *self.kind() == TokenKind::Symbol('=') {
            self.advance();
        }
    }

    /// A name: a bare or a quoted word.
    ///
    /// # Errors
    /// `Invalid` when something else stands here; `what` names what was expected.
    pub fn name(&mut self, what: &str) -> Result<String, Failure> {
        let found = match self.kind() {
            TokenKind::Word(w) | TokenKind::Quoted(w) if !w.is_empty() => Some(w.clone()),
            _ => None,
        };
        self.take(found, what)
    }

    /// The inside of a text.
    ///
    /// # Errors
    /// As [`Cursor::name`].
    pub fn text(&mut self, what: &str) -> Result<String, Failure> {
        let found = match self.kind() {
            TokenKind::Text(t) => Some(t.clone()),
            _ => None,
        };
        self.take(found, what)
    }

    /// A text or a bare word.
    ///
    /// # Errors
    /// As [`Cursor::name`].
    pub fn text_or_word(&mut self, what: &str) -> Result<String, Failure> {
        let found = match self.kind() {
            TokenKind::Text(t) | TokenKind::Word(t) => Some(t.clone()),
            _ => None,
        };
        self.take(found, what)
    }

    /// A whole number.
    ///
    /// # Errors
    /// As [`Cursor::name`].
    pub fn number(&mut self, what: &str) -> Result<u64, Failure> {
        let found = match self.kind() {
            TokenKind::Number(n) => Some(*n),
            _ => None,
        };
        self.take(found, what)
    }

    fn take<T>(&mut self, found: Option<T>, what: &str) -> Result<T, Failure> {
        match found {
            Some(value) => {
                self.advance();
                Ok(value)
            }
            None => {
                self.missed(what);
                Err(self.failure())
            }
        }
    }

    /// Passes over a value up to a comma or the end: its text when it is one word, text or number, else nothing.
    pub fn skip_value(&mut self) -> String {
        let mut depth = 0usize;
        let mut parts = Vec::new();
        loop {
            match self.kind() {
                TokenKind::End => break,
                TokenKind::Symbol(',') if depth == 0 => break,
                TokenKind::Symbol('(') => depth += 1,
                TokenKind::Symbol(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            parts.push(self.kind().clone());
            self.advance();
        }
        match parts.as_slice() {
            [TokenKind::Word(one) | TokenKind::Quoted(one) | TokenKind::Text(one)] => one.clone(),
            [TokenKind::Number(n)] => n.to_string(),
            _ => String::new(),
        }
    }

    /// The whole statement as it was written, without an `;` at its end. The cursor stands at its end afterwards.
    pub fn whole(&mut self) -> &'a str {
        self.next = self.tokens.len() - 1;
        self.statement.trim().trim_end_matches(';')
    }

    /// The keyword that was taken last; empty at the beginning.
    #[must_use]
    pub fn last_word(&self) -> &str {
        match self.next.checked_sub(1).and_then(|last| self.tokens.get(last)).map(|t| &t.kind) {
            Some(TokenKind::Word(word)) => word,
            _ => "",
        }
    }

    /// The rest of the statement as it was written, without an `;` at its end.
    pub fn rest(&mut self) -> &'a str {
        let from = self.tokens[self.next.min(self.tokens.len() - 1)].at;
        self.next = self.tokens.len() - 1;
        self.statement[from..].trim_end().trim_end_matches(';')
    }

    /// Nothing more may stand here.
    ///
    /// # Errors
    /// `Invalid` when something does.
    pub fn end(&mut self) -> Result<(), Failure> {
        if *self.kind() == TokenKind::End {
            return Ok(());
        }
        self.missed("the end of the statement");
        Err(self.failure())
    }

    /// The syntax error for this position: it lists the words that were tried here.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let here = self.next.min(self.tokens.len() - 1);
        let character = self.statement[..self.tokens[here].at].chars().count() + 1;
        let there = if secrets(&self.tokens)[here] { "a secret".to_owned() } else { self.kind().shown() };
        Failure::new(
            ErrorClass::Invalid,
            format!("the statement is not understood at character {character}: {there} stands there"),
            shown(self.statement),
            format!("understood here: {}", self.tried.join(", ")),
        )
        .with_code(SYNTAX_CODE)
    }
}
