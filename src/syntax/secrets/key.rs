//! Which keys hold secrets.

/// The words that a secret's key ends with. `sasl.jaas.config` ends with `jaas`, `config`; `fs.s3a.secretKey` with
/// `secret`, `key`. Only the end counts: `token.expiry.ms` is a duration and `password.file` a path, which are needed as
/// they are to understand a statement later.
pub const SECRET_ENDINGS: &[&[&str]] = &[
    &["password"],
    &["passwd"],
    &["pwd"],
    &["passphrase"],
    &["secret"],
    &["token"],
    &["credential"],
    &["credentials"],
    &["apikey"],
    &["api", "key"],
    &["accesskey"],
    &["access", "key"],
    &["access", "key", "id"],
    &["secretkey"],
    &["secret", "key"],
    &["secret", "value"],
    &["account", "key"],
    &["shared", "key"],
    &["private", "key"],
    &["privatekey"],
    &["encryption", "key"],
    // A key in PEM, as Kafka's ssl.keystore.key.
    &["keystore", "key"],
    &["jaas", "config"],
    // user:password, as the schema registry's basic-auth.user-info.
    &["user", "info"],
    &["connection", "string"],
    // The others that Flink itself hides (GlobalConfiguration.SENSITIVE_KEYS).
    &["service", "key"],
    &["auth", "params"],
    &["basic", "auth"],
    &["http", "headers"],
    &["authorization"],
];

/// Words of keys that go on with the name of an account: `fs.azure.account.key.NAME.blob.core.windows.net` and
/// `fs.azure.account.oauth2.client.secret.NAME.dfs.core.windows.net`.
const SECRETS_OF_ACCOUNTS: &[&[&str]] = &[
    &["fs", "azure", "account", "key"],
    &["fs", "azure", "account", "oauth2", "client", "secret"],
];

/// The value of this key is a secret.
pub fn is_secret_key(key: &str) -> bool {
    let words = words(key);
    let ends = |ending: &&[&str]| words.len() >= ending.len() && words[words.len() - ending.len()..] == **ending;
    let holds = |part: &&[&str]| words.windows(part.len()).any(|window| window == *part);
    SECRET_ENDINGS.iter().any(ends) || SECRETS_OF_ACCOUNTS.iter().any(holds)
}

/// The words of a key in lower case, whether parted by dots, dashes, underscores or capitals.
fn words(key: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before_lower = false;
    for c in key.chars() {
        let starts = c.is_uppercase() && before_lower;
        if (starts || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before_lower = c.is_lowercase() || c.is_numeric();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_key_tells() {
        for key in [
            "password",
            "PASSWORD",
            "db.passwd",
            "properties.sasl.jaas.config",
            "properties.ssl.truststore.password",
            "trustStorePassword",
            "s3.access-key",
            "s3.secret-key",
            "fs.s3a.access.key",
            "fs.s3a.secretKey",
            "api_key",
            "apiKey",
            "token",
            "auth-token",
            "oauth.client.secret",
            "fs.azure.account.key.store1.account.key",
            "fs.azure.account.key.store1.blob.core.windows.net",
            "flink.hadoop.fs.azure.account.key.store1.blob.core.windows.net",
            "fs.azure.account.oauth2.client.secret.store1.dfs.core.windows.net",
            "service-key",
            "pulsar.client.authParams",
            "rest.basic-auth",
            "http-headers",
            "http.source.lookup.header.Authorization",
            "credential",
            "private-key",
            "basic-auth.user-info",
            "ssl.keystore.key",
            "aws.access.key.id",
            "hivevar:token",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in [
            "",
            "token.expiry.ms",
            "password.file",
            "token-path",
            "credentials.provider",
            "primary-key",
            "partition.key",
            "max.tokens",
            "security.delegation.tokens.enabled",
            "fields.password.length",
            "connector",
            "key",
            "secretary",
            "key.format",
            "table.exec.state.ttl",
            "passwordless",
            "fs.azure.account.keyprovider.store1.blob.core.windows.net",
            "basic-auth.credentials-source",
        ] {
            assert!(!is_secret_key(key), "{key}");
        }
    }
}
