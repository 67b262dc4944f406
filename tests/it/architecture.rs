//! The shape of the code, as docs/ARCHITECTURE.md draws it: who may import whom, who writes which table, how long a
//! file may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Rooms that stand below the others: everybody may call them.
const HOUSE: &[&str] = &["admin", "settings", "notify", "outbox", "scheduler", "transfer"];
/// Rooms of one group may call each other, and never those of another group.
const GROUPS: &[&[&str]] = &[
    &["apps", "devices", "kv"],
    &["keys", "usage", "gate", "checkins", "recharge", "wechat"],
    &["providers", "tokens", "sinks"],
];
/// Modules of `src` that are no rooms.
const FLOORS: &[&str] = &["main", "lib", "cli", "server", "base", "config"];

/// Who writes a table; reading is free.
const WRITERS: &[(&str, &[&str])] = &[
    ("admin", &["admin_session", "admin_user", "api_secret", "audit_event"]),
    ("apps", &["app"]),
    // The way in of notifications: any room tells, in the transaction of its cause; see base::event.
    ("base", &["attempt", "idempotency_key", "lease", "notification"]),
    ("devices", &["app_install", "device"]),
    // A write of a key counts on the device's row (revision, key_count, byte_count) in the same transaction.
    ("kv", &["device", "kv_change", "kv_store"]),
    ("providers", &["provider"]),
    ("notify", &["notification", "notification_channel", "notification_told"]),
    ("outbox", &["outbox"]),
    ("server", &["meta", "replica", "sealing_key"]),
    ("settings", &["setting"]),
    // A slower target brings the next refresh of its accounts forward in the same transaction.
    ("sinks", &["refresh_token", "sink_link", "token_sink"]),
    ("scheduler", &["job", "task", "task_item"]),
    ("tokens", &["key_holder", "refresh_event", "refresh_token"]),
];

/// Most lines of a file, without its tests.
const LONGEST: usize = 300;
/// Files that may be longer, each with the reason.
const LONGER: &[(&str, &str)] = &[];

struct Source {
    path: String,
    /// First folder or file below `src`.
    module: String,
    /// Without comments and unit tests.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.extension().is_some_and(|kind| kind == "rs") => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code)).collect::<Vec<_>>().join("\n")
}

/// A file's lines up to its unit tests.
fn without_tests(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(code, _)| code)
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.ends_with("tests.rs")
        || path.ends_with("scratch.rs")
}

fn sources() -> Vec<Source> {
    let all = files(&root().join("src")).into_iter().filter(|path| !is_test(path));
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let module = path.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
        Source { path, module, code: without_comments(without_tests(&text)) }
    };
    all.map(source).collect()
}

/// Full paths of a tree such as `a::{b, c::{d, e as f}}`.
fn expand(tree: &str) -> Vec<String> {
    let Some((before, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap().trim();
        return if path.is_empty() { Vec::new() } else { vec![path.to_owned()] };
    };
    let inside = rest.trim_end().strip_suffix('}').unwrap();
    let (mut depth, mut parts, mut part) = (0, Vec::new(), String::new());
    for letter in inside.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    parts.push(part);
    parts.iter().flat_map(|part| expand(part)).map(|path| format!("{}{path}", before.trim())).collect()
}

/// Every path a file imports or names in full.
fn paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut lines = code.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some((visibility, tree)) = line.split_once("use ") else { continue };
        // Not the end of another word, as in `pub enum Cause {`.
        let visibility = visibility.trim_end_matches(' ');
        if !(["", "pub"].contains(&visibility) || (visibility.starts_with("pub(") && visibility.ends_with(')'))) {
            continue;
        }
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            tree.push_str(lines.next().unwrap());
        }
        found.extend(expand(tree.split(';').next().unwrap()));
    }
    for start in ["crate::", "entity::", "migration::", "latchkey::"] {
        for (at, _) in code.match_indices(start) {
            let path: String =
                code[at..].chars().take_while(|letter| letter.is_alphanumeric() || "_:".contains(*letter)).collect();
            found.insert(path);
        }
    }
    found
}

/// Which of our modules each module imports.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let named = paths(&source.code).into_iter().filter_map(|path| {
            let mut parts = path.split("::").map(str::to_owned);
            match parts.next().as_deref() {
                Some("crate" | "latchkey") => parts.next(),
                Some(other @ ("entity" | "migration")) => Some(other.to_owned()),
                _ => None,
            }
        });
        let others = named.filter(|name| *name != source.module && name.chars().next().is_some_and(char::is_lowercase));
        imports.entry(source.module.clone()).or_default().extend(others);
    }
    imports
}

fn group(room: &str) -> Option<usize> {
    GROUPS.iter().position(|group| group.contains(&room))
}

fn may_import(from: &str, to: &str) -> bool {
    match (from, to) {
        ("main", "cli") => true,
        ("main" | "lib" | "config", _) => false,
        (_, "entity") => true,
        ("cli" | "server" | "base", "migration") => true,
        (_, "migration" | "cli" | "main" | "lib") => false,
        (_, "config") => true,
        ("base", _) => false,
        (_, "base") => true,
        ("cli", _) => true,
        (_, "server") => false,
        ("server", _) => true,
        (from, to) if HOUSE.contains(&from) => HOUSE.contains(&to),
        (from, to) => HOUSE.contains(&to) || group(from) == group(to),
    }
}

#[test]
fn imports_go_one_way() {
    let imports = imports();
    let pairs = imports.iter().flat_map(|(from, all)| all.iter().map(move |to| (from.as_str(), to.as_str())));
    let wrong: Vec<_> = pairs.filter(|(from, to)| !may_import(from, to)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_module_of_src_has_its_place() {
    for module in imports().into_keys() {
        let known = FLOORS.contains(&module.as_str()) || HOUSE.contains(&module.as_str()) || group(&module).is_some();
        assert!(known, "{module} is neither a floor nor a room of a group");
    }
}

#[test]
fn no_two_modules_import_each_other() {
    let imports = imports();
    for start in imports.keys() {
        let (mut seen, mut next) = (BTreeSet::new(), imports[start].iter().collect::<Vec<_>>());
        while let Some(module) = next.pop() {
            assert!(module != start, "{start} imports itself by way of others");
            if seen.insert(module) {
                next.extend(imports.get(module).into_iter().flatten());
            }
        }
    }
}

#[test]
fn entities_and_migrations_know_nothing_of_the_service() {
    for name in ["entity", "migration"] {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        assert!(!manifest.contains("latchkey") && !manifest.contains("path ="), "{name}");
    }
    assert!(!fs::read_to_string(root().join("migration/Cargo.toml")).unwrap().contains("entity"));
}

fn tables() -> BTreeSet<String> {
    let list = fs::read_to_string(root().join("entity/src/lib.rs")).unwrap();
    let modules = list.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules.filter(|module| !["table", "types"].contains(module)).map(str::to_owned).collect()
}

/// Whether the text has one of the writing functions right after `what`, which begins a path.
fn writes_through(code: &str, what: &str) -> bool {
    let verbs = ["insert", "update", "delete"];
    code.match_indices(what).any(|(at, _)| {
        let begins =
            !code[..at].ends_with([':', '_']) && !code[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        begins && verbs.iter().any(|verb| code[at + what.len()..].starts_with(verb))
    })
}

/// The tables a file writes.
fn written(code: &str) -> BTreeSet<String> {
    let paths = paths(code);
    let named = |path: String| paths.contains(&path);
    let sql = ["INSERT INTO", "UPDATE ", "DELETE FROM", "REPLACE INTO"].iter().any(|verb| code.contains(verb));
    let is_written = |table: &String| {
        let active = named(format!("entity::{table}::ActiveModel")) || code.contains(&format!("{table}::ActiveModel"));
        let bare = named(format!("entity::{table}::Entity")) && writes_through(code, "Entity::");
        let full = writes_through(code, &format!("{table}::Entity::"))
            || writes_through(code, &format!("entity::{table}::Entity::"));
        let by_hand = sql && code.contains(&format!("table::name(\"{table}\")"));
        active || bare || full || by_hand
    };
    tables().into_iter().filter(is_written).collect()
}

#[test]
fn each_table_has_one_writer() {
    let owners =
        |module: &str| WRITERS.iter().find(|(owner, _)| *owner == module).map_or(&[][..], |(_, tables)| tables);
    let mut seen = BTreeSet::new();
    for source in sources() {
        for table in written(&source.code) {
            let allowed = owners(&source.module).contains(&table.as_str());
            assert!(allowed, "{} writes {table}, which is not {}'s", source.path, source.module);
            seen.insert((source.module.clone(), table));
        }
    }
    for (owner, tables) in WRITERS {
        for table in *tables {
            assert!(seen.contains(&((*owner).to_owned(), (*table).to_owned())), "{owner} does not write {table}");
        }
    }
    for table in tables() {
        assert!(WRITERS.iter().any(|(_, tables)| tables.contains(&table.as_str())), "{table} has no writer");
    }
}

#[test]
fn the_scan_for_writers_sees_every_way_to_write() {
    for (code, table) in [
        ("use entity::job::{ActiveModel, Entity};", "job"),
        ("use entity::{UtcMillis, job::{Column, Entity}};\nEntity::update_many()", "job"),
        ("entity::job::Entity::delete_many()", "job"),
        ("use entity::job;\njob::Entity::insert(row)", "job"),
        ("use entity::table;\nformat!(\"UPDATE {}\", table::name(\"job\"))", "job"),
    ] {
        assert_eq!(written(code), BTreeSet::from([table.to_owned()]), "{code}");
    }
    for code in [
        "use entity::job::{Column, Entity};\nEntity::find()",
        "use entity::job;\njob::Entity::find()",
        "app_install::Entity::insert(row)",
    ] {
        assert!(!written(code).contains("job") && !written(code).contains("app"), "{code}");
    }
}

#[test]
fn files_are_short() {
    let mut long = Vec::new();
    let all = ["src", "entity", "migration"].iter().flat_map(|folder| files(&root().join(folder)));
    for path in all.filter(|path| !is_test(path)) {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(root()).unwrap().display().to_string();
        let lines = without_tests(&text).lines().count();
        let longer = LONGER.iter().any(|(longer, _)| *longer == path);
        assert!(lines > LONGEST || !longer, "{path} is short by now: take it off the list");
        if lines > LONGEST && !longer {
            long.push(format!("{path} has {lines} lines"));
        }
    }
    assert!(long.is_empty(), "to be split: {long:#?}");
}

#[test]
fn every_room_has_a_test_file_and_an_opening_that_says_what_it_is() {
    let known: Vec<String> = imports().into_keys().filter(|module| !FLOORS.contains(&module.as_str())).collect();
    assert!(known.len() > 5);
    for room in known {
        assert!(root().join(format!("tests/it/{room}.rs")).exists(), "{room} has no file in tests/it");
        let opening = fs::read_to_string(root().join(format!("src/{room}/mod.rs"))).unwrap();
        let lines = opening.lines().take_while(|line| line.starts_with("//!")).count();
        assert!((3..=10).contains(&lines), "{room}/mod.rs opens with {lines} lines");
    }
}

#[test]
fn handlers_are_short() {
    let mut long = Vec::new();
    for source in sources().iter().filter(|source| source.path.contains("/api")) {
        let mut lines = source.code.lines();
        while let Some(line) = lines.next() {
            let is_route =
                ["get", "post", "put", "patch", "delete"].iter().any(|verb| line.starts_with(&format!("#[{verb}(\"")));
            if !is_route {
                continue;
            }
            let _head = lines.by_ref().take_while(|line| !line.ends_with('{')).count();
            let body = lines.by_ref().take_while(|line| *line != "}").count();
            if body > 15 {
                long.push(format!("{}: {body} lines after {line}", source.path));
            }
        }
    }
    assert!(long.is_empty(), "to be shortened: {long:#?}");
}

#[test]
fn nothing_is_allowed_without_a_reason_and_nothing_is_unsafe() {
    for folder in ["src", "entity", "migration", "tests"] {
        for path in files(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            for attribute in ["allow(", "expect("] {
                for (at, _) in
                    text.match_indices(&format!("#[{attribute}")).chain(text.match_indices(&format!("#![{attribute}")))
                {
                    let end = text[at..].find(")]").map_or(text.len(), |end| at + end);
                    let quoted = text[..at].ends_with(['"', '`']) || text[..at].ends_with("&format!(\"");
                    assert!(quoted || text[at..end].contains("reason = \""), "{}: {}", path.display(), &text[at..end]);
                }
            }
            assert!(!text.contains(&["unsafe", " {"].concat()), "{}", path.display());
        }
    }
}

#[test]
fn rooms_have_no_drawers_for_odds_and_ends() {
    for path in files(&root().join("src")) {
        let names: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        for vague in ["utils", "helpers", "manager", "service", "common", "misc"] {
            assert!(!names.iter().any(|name| name.trim_end_matches(".rs") == vague), "{}", path.display());
        }
    }
}
