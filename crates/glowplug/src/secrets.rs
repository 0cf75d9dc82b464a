//! What looks like a credential, so that it must not get into an image unasked.
//!
//! The lists are to be reviewed, and docs/secrets.md shows them; a test holds the two together. They err on the side of safety: what
//! is taken for a credential by mistake costs a line in the settings.

use std::path::Path;

/// Words (parts of a name between underscores) that end like this name a credential.
const WORDS: [&str; 10] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "TOKENS",
    "CREDENTIAL",
    "CREDENTIALS",
    "APIKEY",
];

/// Words that name a credential only as a whole.
const WHOLE_WORDS: [&str; 3] = ["PWD", "PASS", "COOKIE"];

/// Words that name one where `KEY` follows.
const KEYS: [&str; 11] = [
    "API",
    "ACCESS",
    "PRIVATE",
    "SECRET",
    "ENCRYPTION",
    "SIGNING",
    "AUTH",
    "MASTER",
    "ACCOUNT",
    "LICENSE",
    "SSH",
];

/// Last words of names that only tell something about a credential.
const ABOUT: [&str; 12] = [
    "FILE", "PATH", "DIR", "HOME", "URL", "URI", "NAME", "TYPE", "TTL", "ENABLED", "DISABLED",
    "HELPER",
];

/// Names that look like one and are none.
const NO_CREDENTIALS: [&str; 2] = ["PWD", "OLDPWD"];

/// How well-known services' credentials begin, and the fewest characters that follow.
const BEGINNINGS: [(&str, usize); 31] = [
    ("AKIA", 16),             // AWS
    ("ASIA", 16),             // AWS, temporary
    ("ghp_", 20),             // GitHub
    ("gho_", 20),             //
    ("ghu_", 20),             //
    ("ghs_", 20),             //
    ("ghr_", 20),             //
    ("github_pat_", 20),      //
    ("glpat-", 20),           // GitLab
    ("xoxb-", 10),            // Slack
    ("xoxp-", 10),            //
    ("xoxa-", 10),            //
    ("xapp-", 10),            //
    ("sk-", 20),              // OpenAI, Anthropic
    ("sk_live_", 16),         // Stripe
    ("sk_test_", 16),         //
    ("rk_live_", 16),         //
    ("AIza", 35),             // Google
    ("ya29.", 20),            //
    ("GOCSPX-", 20),          //
    ("npm_", 30),             // npm
    ("pypi-", 30),            // PyPI
    ("hf_", 20),              // Hugging Face
    ("dop_v1_", 30),          // DigitalOcean
    ("SG.", 20),              // SendGrid
    ("hvs.", 20),             // HashiCorp Vault
    ("dapi", 32),             // Databricks
    ("AGE-SECRET-KEY-1", 20), // age
    ("Bearer ", 16),          // an Authorization header
    ("Basic ", 16),           //
    ("eyJ", 40),              // JSON web tokens
];

/// Text before a credential inside a longer value, in small letters.
const ASSIGNMENTS: [&str; 4] = ["password=", "pwd=", "accountkey=", "sharedaccesskey="];

/// Names of files that hold credentials.
const FILES: [&str; 14] = [
    ".env",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".my.cnf",
    ".git-credentials",
    ".pypirc",
    ".npmrc",
    ".vault-token",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "application_default_credentials.json",
];

/// Ends of paths of files that hold credentials.
const PATHS: [&str; 4] =
    [".aws/credentials", ".docker/config.json", ".kube/config", "gh/hosts.yml"];

/// Folders all of whose files do.
const FOLDERS: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// Whether a variable holds what looks like a credential.
pub fn is_variable(name: &[u8], value: &[u8]) -> bool {
    (is_name(name) && !is_trivial(value)) || is_value(value)
}

/// Whether a file is one that holds credentials.
pub fn is_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // `.env.production` and the like.
    FILES.contains(&name)
        || name.starts_with(".env.")
        || PATHS.iter().any(|end| path.ends_with(end))
        || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

fn is_name(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    if NO_CREDENTIALS.contains(&name.as_str()) {
        return false;
    }
    let words: Vec<&str> = name.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    if words.last().is_some_and(|last| ABOUT.contains(last)) {
        return false;
    }
    words
        .iter()
        .any(|word| WHOLE_WORDS.contains(word) || WORDS.iter().any(|end| word.ends_with(end)))
        || words.windows(2).any(|pair| pair[1] == "KEY" && KEYS.contains(&pair[0]))
}

/// A switch, a small number, or nothing: no credential whatever its name.
fn is_trivial(value: &[u8]) -> bool {
    const SWITCHES: [&[u8]; 8] =
        [b"true", b"false", b"yes", b"no", b"on", b"off", b"none", b"null"];
    let switch = SWITCHES.iter().any(|switch| value.eq_ignore_ascii_case(switch));
    switch || (value.len() < 4 && value.iter().all(u8::is_ascii_digit))
}

fn is_value(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let small = text.to_ascii_lowercase();
    text.contains("PRIVATE KEY-----")
        || BEGINNINGS.iter().any(|&(beginning, least)| has_token(&text, beginning, least))
        || ASSIGNMENTS.iter().any(|assignment| {
            let value = small.split_once(assignment).map(|(_, value)| value);
            value.is_some_and(|value| !value.is_empty() && !value.starts_with([';', '&', ' ']))
        })
        || has_password(&text)
}

/// Whether `beginning` starts a word in `text` and enough of the characters that tokens consist of follow.
fn has_token(text: &str, beginning: &str, least: usize) -> bool {
    text.match_indices(beginning).any(|(at, _)| {
        let starts = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let rest = &text[at + beginning.len()..];
        let len = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !"_-./+=".contains(c))
            .unwrap_or(rest.len());
        starts && len >= least
    })
}

/// Whether a URL in `text` has a password: `scheme://user:password@host`.
fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, separator)| {
        let rest = &text[at + separator.len()..];
        let authority =
            rest.split(|c: char| "/?#".contains(c) || c.is_whitespace()).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_name() {
        for name in [
            "PGPASSWORD",
            "DB_PASSWORD",
            "MYSQL_PWD",
            "SMTP_PASS",
            "django_secret_key",
            "API_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "OPENAI_API_KEY",
            "GITHUB_TOKEN",
            "SESSION_COOKIE",
            "MYAPIKEY",
        ] {
            assert!(is_variable(name.as_bytes(), b"correct horse"), "{name}");
            assert!(!is_variable(name.as_bytes(), b""), "{name}, empty");
        }
        for name in [
            "PATH",
            "PWD",
            "OLDPWD",
            "HOME",
            "TOKENIZERS_PARALLELISM",
            "GPG_KEY",
            "KEYBOARD",
            "AWS_SHARED_CREDENTIALS_FILE",
            "SECRET_NAME",
            "PASSENGER",
            "COMPASS",
            "TOKEN_URL",
        ] {
            assert!(!is_variable(name.as_bytes(), b"/some/where"), "{name}");
        }
        assert!(!is_variable(b"HF_HUB_DISABLE_IMPLICIT_TOKEN", b"1"));
        assert!(!is_variable(b"USE_TOKEN", b"False"));
    }

    #[test]
    fn credentials_are_known_by_value() {
        let tokens =
            BEGINNINGS.map(|(beginning, least)| format!("{beginning}{}", "x".repeat(least)));
        for value in tokens.iter().map(String::as_str).chain([
            "postgres://me:hunter2@db.example/x",
            "http://user:pw@proxy:3128",
            "Server=db;Password=hunter2;",
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
        ]) {
            assert!(is_variable(b"SOMETHING", value.as_bytes()), "{value}");
        }
        for value in [
            "https://example.org/a:b@c",
            "http://proxy:3128",
            "ssh://git@host/x",
            "task-sk-list",
            "Password=",
            "en_US.UTF-8",
            "/usr/bin:/bin",
            "sk-short",
        ] {
            assert!(!is_variable(b"SOMETHING", value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn files_are_known() {
        for path in ["/p/.env", "/p/.env.local", "/root/.aws/credentials", "/run/secrets/db"] {
            assert!(is_file(Path::new(path)), "{path}");
        }
        for path in ["/p/.env/lib/python3/os.py", "/p/credentials", "/etc/ssl/certs/ca.pem"] {
            assert!(!is_file(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn the_documentation_has_every_entry() {
        let page = include_str!("../../../docs/secrets.md");
        let beginnings = BEGINNINGS.map(|(beginning, _)| beginning);
        let lists: [&[&str]; 8] =
            [&WORDS, &WHOLE_WORDS, &KEYS, &ABOUT, &beginnings, &ASSIGNMENTS, &FILES, &PATHS];
        for entry in lists.into_iter().flatten().chain(&FOLDERS) {
            assert!(page.contains(&format!("`{}`", entry.trim_end())), "{entry} is missing");
        }
    }
}
