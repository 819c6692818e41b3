//! How input is read: tokens, statements and bang-commands, what a statement is, and what in it is secret. Pure: text in,
//! text out, no I/O, and no input that it can't take.

//Xpub mod classifier;
//Xpub mod command_line;
//Xpub mod job_statement;
//Xpub mod keywords;
pub mod lexer;
//Xpub mod literal;
//Xpub mod secrets;
pub mod span;
pub mod splitter;
pub mod statement_set;
pub mod utf8;

//Xpub use classifier::{Kind, classify};
//Xpub use job_statement::JobStatement;
pub use lexer::{Lexer, Open, Token, TokenKind};
pub use span::{Place, Span};
pub use splitter::{Input, Pending, Piece, Splitter};
