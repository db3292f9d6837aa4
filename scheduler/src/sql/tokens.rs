//! Cuts a statement into tokens: words, `'texts'`, numbers and single symbols. It knows no statement.
//!
//! Keywords are words that the parser compares without regard to case; a `` `quoted` `` word is never a keyword.
//! Comments (`-- …`, `# …`, `/* … */`) are blanks, as every MySQL client expects.

use super::masking::shown;
use strandline_types::{ErrorClass, Failure, masked_inside};

/// One token and the byte where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Byte offset in the statement.
    pub at: usize,
    /// The byte after it.
    pub end: usize,
}

/// The kinds of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A bare word as it was written: a keyword or a name.
    Word(String),
    /// A word in backticks: always a name.
    Quoted(String),
    /// The inside of `'…'` or `"…"`, escapes resolved.
    Text(String),
    /// An unsigned whole number.
    Number(u64),
    /// Any other single character.
    Symbol(char),
    /// The end of the statement.
    End,
}

impl TokenKind {
    /// As an error message shows it, when it is no secret as a whole.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Word(w) | Self::Quoted(w) => format!("'{w}'"),
            Self::Text(t) => format!("the text '{}'", masked_inside(t)),
            Self::Number(n) => format!("the number {n}"),
            Self::Symbol(c) => format!("'{c}'"),
            Self::End => "the end of the statement".to_owned(),
        }
    }
}

/// Cuts `statement` up. The last token is always [`TokenKind::End`]; one trailing `;` is dropped.
///
/// # Errors
/// `Invalid` for a text, quoted word or comment that does not end, and for a number that does not fit.
pub fn tokens(statement: &str) -> Result<Vec<Token>, Failure> {
    let (mut out, wrong) = tokens_until_wrong(statement);
    if let Some(Wrong { what, todo }) = wrong {
        return Err(Failure::new(ErrorClass::Invalid, what, shown(statement), todo).with_code(super::SYNTAX_CODE));
    }
    if out.last().is_some_and(|t| t.kind == TokenKind::Symbol(';')) {
        out.pop();
    }
    out.push(Token { kind: TokenKind::End, at: statement.len(), end: statement.len() });
    Ok(out)
}

/// Why a statement cannot be cut up further. It holds nothing of the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    what: String,
    todo: String,
}

/// The tokens of `statement` as far as it can be cut up, without an end, and why not further.
#[must_use]
pub fn tokens_until_wrong(statement: &str) -> (Vec<Token>, Option<Wrong>) {
    let mut scan = Scanner { text: statement, pos: 0 };
    let mut out = Vec::new();
    loop {
        match scan.token() {
            Ok(Some(token)) => out.push(token),
            Ok(None) => return (out, None),
            Err(wrong) => return (out, Some(wrong)),
        }
    }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '@' || c == '$'
}

fn is_word_part(c: char) -> bool {
    is_word_start(c) || c.is_ascii_digit()
}

struct Scanner<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    /// The next token; `None` at the end.
    fn token(&mut self) -> Result<Option<Token>, Wrong> {
        self.skip_blanks()?;
        let at = self.pos;
        let Some(c) = self.peek() else { return Ok(None) };
        let kind = match c {
            '\'' | '"' => TokenKind::Text(self.enclosed(c, true)?),
            '`' => TokenKind::Quoted(self.enclosed(c, false)?),
            '0'..='9' => self.number()?,
            c if is_word_start(c) => TokenKind::Word(self.run(is_word_part).to_owned()),
            c => {
                self.pos += c.len_utf8();
                TokenKind::Symbol(c)
            }
        };
        Ok(Some(Token { kind, at, end: self.pos }))
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn run(&mut self, part: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !part(c)).unwrap_or(rest.len());
        self.pos += len;
        &rest[..len]
    }

    fn skip_blanks(&mut self) -> Result<(), Wrong> {
        loop {
            self.run(char::is_whitespace);
            let rest = self.rest();
            if rest.starts_with("--") || rest.starts_with('#') {
                self.run(|c| c != '\n');
            } else if rest.starts_with("/*") {
                let Some(len) = rest.find("*/") else {
                    return Err(self.unfinished("comment"));
                };
                self.pos += len + 2;
            } else {
                return Ok(());
            }
        }
    }

    /// The inside of a quoted run that starts here. A doubled quote is one quote; in texts a backslash escapes.
    fn enclosed(&mut self, quote: char, escapes: bool) -> Result<String, Wrong> {
        let rest = self.rest();
        let mut inside = String::new();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == '\\' && escapes {
                inside.extend(chars.next().map(|(_, escaped)| escaped));
            } else if c != quote {
                inside.push(c);
            } else if chars.next_if(|(_, next)| *next == quote).is_some() {
                inside.push(quote);
            } else {
                self.pos += at + quote.len_utf8();
                return Ok(inside);
            }
        }
        Err(self.unfinished("quotation"))
    }

    fn number(&mut self) -> Result<TokenKind, Wrong> {
        let at = self.pos;
        let word = self.run(is_word_part);
        if word.bytes().any(|b| !b.is_ascii_digit()) {
            // `1d` and the like are names of nothing here, but values may be written without quotes.
            return Ok(TokenKind::Word(word.to_owned()));
        }
        word.parse().map(TokenKind::Number).map_err(|_| Wrong {
            what: format!("the number at character {} is too large", self.character(at)),
            todo: format!("the largest number is {}", u64::MAX),
        })
    }

    fn character(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }

    fn unfinished(&self, what: &str) -> Wrong {
        Wrong {
            what: format!("the {what} that begins at character {} does not end", self.character(self.pos)),
            todo: "close it".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|t| t.kind).collect()
    }

    #[test]
    fn words_texts_numbers_and_symbols_are_told_apart() {
        use TokenKind::*;
        assert_eq!(
            kinds("set `a b`='it''s \\' ok' , 12 1d;"),
            vec![
                Word("set".into()),
                Quoted("a b".into()),
                Symbol('='),
                Text("it's ' ok".into()),
                Symbol(','),
                Number(12),
                Word("1d".into()),
                End
            ]
        );
    }

    #[test]
    fn comments_are_blanks() {
        assert_eq!(kinds("/* a */ x -- y\n# z\n"), vec![TokenKind::Word("x".into()), TokenKind::End]);
    }

    #[test]
    fn what_does_not_end_says_where_it_began() {
        for bad in ["x 'abc", "x `abc", "x /* abc", "x \"abc"] {
            let failure = tokens(bad).unwrap_err();
            assert_eq!(failure.class, ErrorClass::Invalid);
            assert!(failure.what.contains("character 3"), "{failure}");
        }
        assert!(tokens("99999999999999999999").unwrap_err().what.contains("too large"));
    }
}
