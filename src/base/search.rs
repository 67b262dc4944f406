//! Texts that are looked for: parts of names whatever signs are in them, and past upper and lower case on both databases.

use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait,
    sea_query::{Expr, LikeExpr},
};

/// A LIKE pattern for texts that contain `part`, whatever signs are in it.
#[must_use]
pub fn contains(part: &str) -> LikeExpr {
    let escaped = part.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    LikeExpr::new(format!("%{escaped}%")).escape('!')
}

/// A column of byte texts as one to search in: on MySQL such a column knows no letters.
pub fn as_letters<E: EntityTrait>(entity: E, column: impl ColumnTrait, backend: DbBackend) -> Expr {
    let column = Expr::col((entity, column));
    match backend {
        DbBackend::MySql => Expr::cust_with_expr("CONVERT(? USING utf8mb4) COLLATE utf8mb4_unicode_ci", column),
        _ => column,
    }
}
