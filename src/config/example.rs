//! `config/config.example.yml`, written from the table of keys; a test compares the file with it.

use std::fmt::Write;

use super::table;

const HEADER: &str = "\
# Every value of the configuration with its default. Copy what you change to config/config.yml; the rest may stay out.
#
# The environment outranks this file, the command line outranks both: server.port is LATCHKEY__SERVER__PORT.
# Secrets can be read from a file named by …_FILE (LATCHKEY__AUTH__API_SECRET_FILE), as Docker secrets are.
# `latchkey config check` tests a configuration, `latchkey config show` prints it with the source of each value.
";

/// The example file's text.
pub fn render() -> String {
    let mut text = HEADER.to_owned();
    let mut current = "";
    for key in table::all() {
        let (section, leaf) = key.path();
        let indent = if section.is_empty() { "" } else { "  " };
        if section != current || section.is_empty() {
            text.push('\n');
            if !section.is_empty() {
                text += &format!("{section}:\n");
            }
            current = section;
        }
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{indent}# {}\n{indent}{leaf}: {}", key.about, key.default);
    }
    text
}
