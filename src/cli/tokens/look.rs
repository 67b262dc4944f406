//! `latchkey tokens list|stats|events`

use clap::Args;
use serde_json::json;

use super::Fitting;
use crate::{
    base::{clock::Clock, error::Error, page::PageQuery},
    cli::{Global, Outcome, database::with_database, say_line},
    server::open_sealer,
    tokens::{self, AccountFilter, AccountView, Order},
};

#[derive(Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    fitting: Fitting,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Args)]
pub(in crate::cli) struct EventArgs {
    /// Number of the account.
    id: i64,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Args)]
struct PageArgs {
    /// How many, 1 to 200.
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// Where to go on: `next_cursor` of the page before.
    #[arg(long)]
    cursor: Option<String>,
}

impl PageArgs {
    fn query(&self) -> PageQuery {
        PageQuery { limit: Some(self.limit), cursor: self.cursor.clone() }
    }
}

pub(super) fn list(global: &Global, arguments: ListArgs) -> Outcome {
    let (filter, page) = (AccountFilter::from(arguments.fitting), arguments.page.query());
    let page = with_database(global, async |session| {
        let sealer = open_sealer(&session.config, &session.db).await.map_err(Error::internal)?;
        let page = tokens::list(session.db.orm(), &filter, Order::default(), &page, Clock::System.now()).await?;
        Ok(page.map(|row| AccountView::new(row, &sealer)))
    })?;
    if global.json {
        say_line(format_args!("{:#}", json!(page)));
        return Ok(());
    }
    for account in page.items {
        let AccountView { id, biz_id, provider, state, .. } = account;
        let end = account.access_expires_at.map(|end| end.to_string()).unwrap_or_default();
        let email = account.email.unwrap_or_default();
        say_line(format_args!("{id}\t{biz_id}\t{provider}\t{state}\t{email}\t{end}"));
    }
    say_more(page.next_cursor);
    Ok(())
}

pub(super) fn stats(global: &Global) -> Outcome {
    let stats = with_database(global, async |session| tokens::stats(session.db.orm(), Clock::System.now()).await)?;
    if global.json {
        say_line(format_args!("{:#}", json!(stats)));
        return Ok(());
    }
    say_line(format_args!("{} accounts, {} enabled, {} due", stats.total, stats.enabled, stats.due));
    let groups = [("state", stats.by_state), ("provider", stats.by_provider), ("type", stats.by_type)];
    for (what, counts) in groups {
        for (name, count) in counts {
            say_line(format_args!("{what}\t{name}\t{count}"));
        }
    }
    Ok(())
}

pub(super) fn events(global: &Global, arguments: &EventArgs) -> Outcome {
    let page = arguments.page.query();
    let page = with_database(global, async |session| tokens::events_of(session.db.orm(), arguments.id, &page).await)?;
    if global.json {
        say_line(format_args!("{:#}", json!(page)));
        return Ok(());
    }
    for event in page.items {
        let (class, detail) = (event.failure_class.unwrap_or_default(), event.detail.unwrap_or_default());
        say_line(format_args!("{}\t{}\t{}\t{class}\t{detail}", event.created_at, event.kind, event.cause));
    }
    say_more(page.next_cursor);
    Ok(())
}

fn say_more(cursor: Option<String>) {
    if let Some(cursor) = cursor {
        say_line(format_args!("more: --cursor {cursor}"));
    }
}
