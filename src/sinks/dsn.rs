//! The address of a MySQL database: as a URL, or as One-API's `SQL_DSN` has it.

use crate::base::secret::Secret;

/// A MySQL database and how to get in.
#[derive(Clone, Debug)]
pub(super) struct Dsn {
    pub(super) user: String,
    pub(super) password: Secret,
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    /// Whether a connection without TLS is refused.
    pub(super) needs_tls: bool,
}

impl Dsn {
    /// `mysql://user:password@host:3306/database?ssl-mode=required`, or `user:password@tcp(host:3306)/database?tls=true`.
    /// Of parameters, only those about TLS count; sockets and files are not to be reached this way.
    ///
    /// # Errors
    /// What is wrong, in words for a field of a form, without the text itself.
    pub(super) fn parse(text: &Secret) -> Result<Self, &'static str> {
        let text = text.expose();
        if text.len() > 1000 || text.chars().any(char::is_control) {
            return Err("must be at most 1000 characters, without control characters");
        }
        let dsn = if text.starts_with("mysql://") { from_url(text)? } else { from_go(text)? };
        if dsn.host.is_empty() || dsn.database.is_empty() || dsn.user.is_empty() {
            return Err("must name user, host and database");
        }
        if dsn.database.contains('/') {
            return Err("must name one database");
        }
        Ok(dsn)
    }
}

fn from_url(text: &str) -> Result<Dsn, &'static str> {
    let url = url::Url::parse(text).map_err(|_| "must be mysql://user:password@host:3306/database")?;
    let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8().map(|text| text.into_owned());
    let not_text = |_| "must be UTF-8 where it is percent-encoded";
    let needs_tls = needs_tls(url.query().unwrap_or_default())?;
    Ok(Dsn {
        user: decoded(url.username()).map_err(not_text)?,
        password: Secret::new(decoded(url.password().unwrap_or_default()).map_err(not_text)?),
        host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(3306),
        database: decoded(url.path().trim_start_matches('/')).map_err(not_text)?,
        needs_tls,
    })
}

/// The form of Go's MySQL driver. A password may hold any character: what counts is the last `@` before the host.
fn from_go(text: &str) -> Result<Dsn, &'static str> {
    let form = "must be mysql://user:password@host:3306/database or user:password@tcp(host:3306)/database";
    let (credentials, rest) = text.rsplit_once("@tcp(").ok_or(form)?;
    let (address, rest) = rest.split_once(")/").ok_or(form)?;
    let (database, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
            (host, port.parse().map_err(|_| form)?)
        }
        _ => (address, 3306),
    };
    Ok(Dsn {
        user: user.to_owned(),
        password: Secret::new(password),
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
        database: database.to_owned(),
        needs_tls: needs_tls(parameters)?,
    })
}

fn needs_tls(parameters: &str) -> Result<bool, &'static str> {
    let mut needs = false;
    for (name, value) in parameters.split('&').filter_map(|pair| pair.split_once('=')) {
        match (name.to_ascii_lowercase().as_str(), value.to_ascii_lowercase().as_str()) {
            ("ssl-mode" | "sslmode", "disabled" | "preferred") | ("tls", "false" | "preferred") => {}
            ("ssl-mode" | "sslmode", "required") | ("tls", "true" | "skip-verify") => needs = true,
            ("charset" | "parsetime" | "loc" | "timeout" | "readtimeout" | "writetimeout" | "collation", _) => {}
            _ => return Err("has a parameter that is not supported"),
        }
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String, String, u16, String, bool) {
        let dsn = Dsn::parse(&Secret::new(text)).unwrap();
        (dsn.user, dsn.password.expose().to_owned(), dsn.host, dsn.port, dsn.database, dsn.needs_tls)
    }

    fn expected(host: &str, port: u16, password: &str, tls: bool) -> (String, String, String, u16, String, bool) {
        ("root".to_owned(), password.to_owned(), host.to_owned(), port, "oneapi".to_owned(), tls)
    }

    #[test]
    fn both_forms_are_understood() {
        for (text, dsn) in [
            ("mysql://root:p%40ss@db.example:3307/oneapi", expected("db.example", 3307, "p@ss", false)),
            ("mysql://root@db.example/oneapi?ssl-mode=REQUIRED", expected("db.example", 3306, "", true)),
            ("mysql://root@[2606:4700::1]/oneapi", expected("2606:4700::1", 3306, "", false)),
            ("root:p@ss:w/rd@tcp(db.example:3307)/oneapi", expected("db.example", 3307, "p@ss:w/rd", false)),
            (
                "root@tcp(db.example)/oneapi?charset=utf8mb4&parseTime=True&tls=true",
                expected("db.example", 3306, "", true),
            ),
            ("root@tcp([2606:4700::1]:3307)/oneapi", expected("2606:4700::1", 3307, "", false)),
        ] {
            assert_eq!(parsed(text), dsn, "{text}");
        }
    }

    #[test]
    fn what_reaches_further_than_a_server_is_refused() {
        for text in [
            "",
            "postgres://root@db.example/oneapi",
            "root@unix(/run/mysqld.sock)/oneapi",
            "mysql://root@db.example/oneapi?socket=/run/mysqld.sock",
            "mysql://root@db.example/oneapi?ssl-ca=/etc/passwd",
            "root@tcp(db.example)/oneapi?allowAllFiles=true",
            "mysql://db.example/oneapi",
            "mysql://root@db.example/",
            "root@tcp(db.example:x)/oneapi",
        ] {
            assert!(Dsn::parse(&Secret::new(text)).is_err(), "{text}");
        }
    }
}
