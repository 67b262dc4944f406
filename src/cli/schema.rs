//! `latchkey schema --type sqlite|mysql`

use clap::{Args, ValueEnum};
use migration::Dialect;

use super::{Outcome, say};

#[derive(Args)]
pub(super) struct Schema {
    /// The database system to write for.
    #[arg(long = "type", value_enum)]
    kind: Kind,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Sqlite,
    Mysql,
}

impl Schema {
    pub(super) fn run(&self) -> Outcome {
        let dialect = match self.kind {
            Kind::Sqlite => Dialect::Sqlite,
            Kind::Mysql => Dialect::MySql,
        };
        say(&migration::schema(dialect));
        Ok(())
    }
}
