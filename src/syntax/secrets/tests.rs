use proptest::prelude::*;

use super::*;

fn flink(sql: &str) -> (String, Vec<(String, String)>) {
    taken(redact(sql, &Dialect::FLINK))
}

fn taken(redacted: Redacted) -> (String, Vec<(String, String)>) {
    (
        redacted.text,
        redacted
            .secrets
            .into_iter()
            .map(|secret| (secret.name, secret.value))
            .collect(),
    )
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Takes the secrets out and puts them back.
fn round_trip(sql: &str, dialect: &Dialect) -> String {
    let redacted = redact(sql, dialect);
    let find = |name: &str| {
        redacted
            .secrets
            .iter()
            .find(|secret| secret.name == name)
            .map(|secret| secret.value.clone())
    };
    let kept: Vec<&str> = references(&redacted.text, dialect);
    assert_eq!(
        kept,
        redacted
            .secrets
            .iter()
            .map(|secret| secret.name.as_str())
            .collect::<Vec<_>>()
    );
    resolve(&redacted.text, dialect, find, |_| None).unwrap()
}

#[test]
fn options_become_references() {
    let cases = [
        (
            "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'properties.sasl.jaas.config' = 'x required \"p\";')",
            "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'properties.sasl.jaas.config' = '${secret:t.properties.sasl.jaas.config}')",
            vec![pair("t.properties.sasl.jaas.config", "x required \"p\";")],
        ),
        (
            "CREATE TEMPORARY TABLE IF NOT EXISTS c.`my t` WITH ('password'='it''s', 'user'='u')",
            "CREATE TEMPORARY TABLE IF NOT EXISTS c.`my t` WITH ('password'='${secret:c.my_t.password}', 'user'='u')",
            vec![pair("c.my_t.password", "it's")],
        ),
        (
            "CREATE CATALOG pg WITH ('type'='jdbc', /* the */ 'password' /* one */ = 'x')",
            "CREATE CATALOG pg WITH ('type'='jdbc', /* the */ 'password' /* one */ = '${secret:pg.password}')",
            vec![pair("pg.password", "x")],
        ),
        (
            "ALTER TABLE t SET ('api-key' = 'k')",
            "ALTER TABLE t SET ('api-key' = '${secret:t.api-key}')",
            vec![pair("t.api-key", "k")],
        ),
        (
            "SELECT * FROM d.t /*+ OPTIONS('password'='x') */ JOIN u /*+ OPTIONS('password'='y') */ ON true",
            "SELECT * FROM d.t /*+ OPTIONS('password'='${secret:d.t.password}') */ JOIN u /*+ OPTIONS('password'='${secret:u.password}') */ ON true",
            vec![pair("d.t.password", "x"), pair("u.password", "y")],
        ),
        (
            "SET 's3.secret-key' = 'x'",
            "SET 's3.secret-key' = '${secret:s3.secret-key}'",
            vec![pair("s3.secret-key", "x")],
        ),
        (
            "SET s3.secret-key=x=y z;",
            "SET s3.secret-key=${secret:s3.secret-key};",
            vec![pair("s3.secret-key", "x=y z")],
        ),
        (
            "SET 'password'=x",
            "SET 'password'=${secret:password}",
            vec![pair("password", "x")],
        ),
    ];
    for (sql, text, secrets) in cases {
        assert_eq!(flink(sql), (text.to_owned(), secrets), "{sql}");
        assert_eq!(round_trip(sql, &Dialect::FLINK), sql);
    }
}

#[test]
fn passwords_in_urls_become_references() {
    let cases = [
        (
            "CREATE TABLE t (a INT) WITH ('url' = 'jdbc:mysql://h/db?user=u&password=p%20w&ssl=1')",
            "CREATE TABLE t (a INT) WITH ('url' = 'jdbc:mysql://h/db?user=u&password=${secret:t.url.password}&ssl=1')",
            vec![pair("t.url.password", "p%20w")],
        ),
        (
            "CREATE TABLE t (a INT) WITH ('uri' = 'mongodb://u:p''w@h1,h2/db')",
            "CREATE TABLE t (a INT) WITH ('uri' = 'mongodb://u:${secret:t.uri.password}@h1,h2/db')",
            vec![pair("t.uri.password", "p'w")],
        ),
        (
            "CREATE TABLE t (a INT) WITH ('url' = 'jdbc:x://u:p@h;trustStorePassword=q')",
            "CREATE TABLE t (a INT) WITH ('url' = 'jdbc:x://u:${secret:t.url.password}@h;trustStorePassword=${secret:t.url.password-2}')",
            vec![pair("t.url.password", "p"), pair("t.url.password-2", "q")],
        ),
        (
            "ADD JAR 'https://u:p@h/a.jar'",
            "ADD JAR 'https://u:${secret:url.password}@h/a.jar'",
            vec![pair("url.password", "p")],
        ),
        (
            "ADD JAR https://u:p@h/a.jar;",
            "ADD JAR https://u:${secret:url.password}@h/a.jar;",
            vec![pair("url.password", "p")],
        ),
        (
            "SET x = redis://:p@h",
            "SET x = redis://:${secret:x.password}@h",
            vec![pair("x.password", "p")],
        ),
    ];
    for (sql, text, secrets) in cases {
        assert_eq!(flink(sql), (text.to_owned(), secrets), "{sql}");
        assert_eq!(round_trip(sql, &Dialect::FLINK), sql);
    }
}

#[test]
fn options_that_hold_options_give_up_their_secrets() {
    let (text, secrets) = flink("SET 'pipeline.global-job-parameters' = 'user:u,db.password:a:b, api-key:k'");
    assert_eq!(
        text,
        "SET 'pipeline.global-job-parameters' = 'user:u,db.password:${secret:pipeline.global-job-parameters.db.password}, \
         api-key:${secret:pipeline.global-job-parameters.api-key}'"
    );
    assert_eq!(
        secrets,
        [
            pair("pipeline.global-job-parameters.db.password", "a:b"),
            pair("pipeline.global-job-parameters.api-key", "k")
        ]
    );
    // A text that is no option is left alone.
    let sql = "SELECT * FROM t WHERE x = 'password:a'";
    assert_eq!(flink(sql), (sql.to_owned(), vec![]));
}

#[test]
fn two_sorts_of_passwords_in_a_string_come_in_its_order() {
    let (text, secrets) = flink("ADD JAR 'a?token=x y://u:p@h'");
    assert_eq!(
        text,
        "ADD JAR 'a?token=${secret:url.password} y://u:${secret:url.password-2}@h'"
    );
    assert_eq!(secrets, vec![pair("url.password", "x"), pair("url.password-2", "p")]);
}

#[test]
fn what_is_no_secret_stays() {
    for sql in [
        "SELECT password FROM t WHERE token = 'abc'",
        "CREATE TABLE t (password STRING) WITH ('token.expiry.ms' = '5', 'url' = 'http://h:80/a@b')",
        "CREATE TABLE t WITH ('password' = '${env:PW}', 'url' = 'x://u:${env:PW}@h', 'secret' = '')",
        "SET 'password' = '${secret:password}'",
        "-- 'password' = 'x'\nSELECT 'see http://a/b?c=d'",
        "SHOW JOBS",
        "",
    ] {
        assert_eq!(flink(sql), (sql.to_owned(), vec![]), "{sql}");
    }
}

#[test]
fn sparks_options_need_no_quotes_around_keys() {
    let sql = r#"CREATE TABLE t USING jdbc OPTIONS (url "x", user 'u', password 'a\'b', fs.s3a.secret.key = "k")"#;
    let redacted = taken(redact(sql, &Dialect::HIVE));
    let text = r#"CREATE TABLE t USING jdbc OPTIONS (url "x", user 'u', password '${secret:t.password}', fs.s3a.secret.key = "${secret:t.fs.s3a.secret.key}")"#;
    assert_eq!(
        redacted,
        (
            text.to_owned(),
            vec![pair("t.password", "a'b"), pair("t.fs.s3a.secret.key", "k")]
        )
    );
    assert_eq!(round_trip(sql, &Dialect::HIVE), sql);
}

#[test]
fn one_value_has_one_name() {
    let (text, secrets) = flink("SELECT * FROM t /*+ OPTIONS('password'='x') */, t /*+ OPTIONS('password'='x') */");
    assert_eq!(text.matches("${secret:t.password}").count(), 2);
    assert_eq!(secrets.len(), 1);
}

#[test]
fn values_are_quoted_as_their_place_asks() {
    let secret = |_: &str| Some(r#"a'b"c`d\e"#.to_owned());
    let environment = |name: &str| (name == "HOME").then(|| "/h".to_owned());
    let sql = "SELECT '${secret:x}', \"${secret:x}\", `${secret:x}`, ${secret:x} -- ${secret:x}\n/* ${env:NO} */ '${env:HOME}/${x}'";
    assert_eq!(
        resolve(sql, &Dialect::FLINK, secret, environment).unwrap(),
        "SELECT 'a''b\"c`d\\e', \"a'b\"\"c`d\\e\", `a'b\"c``d\\e`, a'b\"c`d\\e -- ${secret:x}\n/* ${env:NO} */ '/h/${x}'"
    );
    assert_eq!(
        resolve("'${secret:x}' \"${secret:x}\"", &Dialect::HIVE, secret, environment).unwrap(),
        r#"'a\'b"c`d\\e' "a'b\"c`d\\e""#
    );
}

#[test]
fn a_reference_without_a_value_is_named() {
    let none = |_: &str| None;
    let missing = resolve("SELECT '${secret:t.password}'", &Dialect::FLINK, none, none).unwrap_err();
    assert_eq!(
        missing,
        Missing {
            origin: Origin::Secret,
            name: "t.password".to_owned()
        }
    );
    assert_eq!(missing.to_string(), "the secret t.password has no value");
    let missing = resolve("SET a = ${env:X}", &Dialect::FLINK, none, none).unwrap_err();
    assert_eq!(missing.to_string(), "the environment variable X has no value");
    assert_eq!(
        references(
            "SELECT '${secret:a} ${secret:b}', '${secret:a}' -- ${secret:c}",
            &Dialect::FLINK
        ),
        ["a", "b"]
    );
}

#[test]
fn masking_shows_no_value() {
    let cases = [
        (
            "CREATE TABLE t WITH ('password' = 'x')",
            "CREATE TABLE t WITH ('password' = '***')",
        ),
        ("  'password' = 'x',", "  'password' = '***',"),
        ("  'password' = 'x", "  'password' = '***"),
        ("SET token = x;", "SET token = ***;"),
        (
            "!connect jdbc:hive2://h:1/db;user=u;password=x",
            "!connect jdbc:hive2://h:1/db;user=u;password=***",
        ),
        (
            "!connect jdbc:hive2://h:1/db scott tiger",
            "!connect jdbc:hive2://h:1/db scott ***",
        ),
        (
            "!connect flink://u:x@h -n me -p x",
            "!connect flink://u:***@h -n me -p ***",
        ),
        (
            "!connect flink://h --password=x --token 'a b'",
            "!connect flink://h --password=*** --token ***",
        ),
        ("!set s3.secret-key x", "!set s3.secret-key ***"),
        ("!set s3.secret-key=x", "!set s3.secret-key=***"),
        (
            "!async CREATE TABLE t WITH ('password' = 'x') AS SELECT 1",
            "!async CREATE TABLE t WITH ('password' = ***) AS SELECT 1",
        ),
        ("!jobs -a", "!jobs -a"),
        ("!sh it's --password x", "!sh it's --password ***"),
        ("SELECT 1", "SELECT 1"),
    ];
    for (line, masked) in cases {
        assert_eq!(
            mask(line, &Dialect::FLINK).replace("'***'", "***"),
            masked.replace("'***'", "***"),
            "{line}"
        );
    }
}

proptest! {
    #[test]
    fn what_was_taken_out_comes_back(value in ".{1,20}", hive in any::<bool>()) {
        let dialect = if hive { Dialect::HIVE } else { Dialect::FLINK };
        let literal = super::super::literal::quote_string(&value, &dialect);
        let sql = format!("CREATE TABLE t (a INT) WITH ('a' = 'b', 'password' = {literal}, 'url' = 'x://h')");
        prop_assume!(!value.contains("${"));
        let redacted = redact(&sql, &dialect);
        prop_assert_eq!(&redacted.secrets[0].value, &value);
        let shown = redacted.text.contains(&["'password' = ", &literal].concat());
        prop_assert!(!shown);
        prop_assert_eq!(round_trip(&sql, &dialect), sql);
    }

    #[test]
    fn any_text_is_taken(text in any::<String>(), parts in prop::collection::vec(
        prop::sample::select(vec!["'password'", "=", "'", "x://u:p@h", "/*+", "*/", "SET ", "ADD JAR ", "${secret:", "}", "(", "OPTIONS", "!", "-p ", "\"", "a", "?token=", "é"]), 0..12)) {
        for text in [text, parts.concat()] {
            let redacted = redact(&text, &Dialect::FLINK);
            prop_assert!(redacted.secrets.iter().all(|secret| !secret.value.is_empty()));
            mask(&text, &Dialect::HIVE);
        }
    }
}

#[test]
fn a_blanked_statement_has_every_other_character_in_its_place() {
    let sql = "CREATE TABLE t (a INT) WITH ('password' = 'gehäim', 'b' = 'x',\n 'token' = 'a\nb')";
    let blanked = blank(sql, &Dialect::FLINK);
    let expected = "CREATE TABLE t (a INT) WITH ('password' = '******', 'b' = 'x',\n 'token' = '*\n*')";
    assert_eq!(blanked, expected);
    assert_eq!(blank("SELECT 1", &Dialect::FLINK), "SELECT 1");
}
