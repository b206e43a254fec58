//! What the grammar promises to its users: texts, messages and plans.

mod corpus;
mod messages;
mod oracle;
mod plans;
mod strategies;
mod texts;
