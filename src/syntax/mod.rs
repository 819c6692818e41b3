//! How input is read: tokens, statements and bang-commands, what a statement is, and what in it is secret. Pure: text in,
//! text out, no I/O, and no input that it can't take.

pub mod change;
pub mod classifier;
pub mod command_line;
mod cursor;
pub mod definitions;
pub mod insert;
pub mod job_name;
pub mod job_statement;
pub mod keywords;
pub mod kind;
pub mod lexer;
pub mod literal;
pub mod normal;
#[cfg(test)]
mod properties;
pub mod rewritten;
pub mod row_limit;
#[cfg(test)]
mod scripts;
pub mod secrets;
pub mod span;
pub mod splitter;
pub mod state_of;
pub mod statement_set;
pub mod table_definition;
pub mod tables;
pub mod utf8;
pub mod variables;

pub use classifier::classify;
pub use job_name::job_name;
pub use job_statement::JobStatement;
pub use kind::Kind;
pub use lexer::{Lexer, Open, Token, TokenKind};
pub use span::{Place, Span};
pub use splitter::{Input, Pending, Piece, Splitter};
