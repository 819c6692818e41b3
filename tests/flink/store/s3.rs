//! S3Proxy: a server that speaks S3, checks signatures, and keeps its objects in files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use futures::{StreamExt, stream};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, PutPayload};

use super::{Server, Store};
use crate::cluster::{Installation, Kit, Work, free_ports};
use crate::witness::RUNTIME;
use crate::world::{Program, World};

const USER: &str = "skep-tests";
/// It is looked for in all that skep writes.
const SECRET: &str = "s3-secret-that-nobody-may-see";
const BUCKET: &str = "states";

/// A running S3Proxy.
pub struct S3 {
    endpoint: String,
    objects: Box<dyn ObjectStore>,
    /// Its process.
    pub server: Server,
}

impl S3 {
    /// Starts one.
    ///
    /// # Errors
    /// What is missing, or why it does not start.
    pub fn start(work: &Work) -> Result<Self, String> {
        let kit = Kit {
            name: "s3proxy-2.9.0".to_owned(),
            pom: include_str!("s3proxy.xml"),
            properties: Vec::new(),
        };
        let installation = Installation::prepare(&kit, &work.path("installation.log"))?;
        let dir = work.path("s3");
        let bucket = dir.join("data").join(BUCKET);
        let [port] = free_ports();
        let endpoint = format!("http://127.0.0.1:{port}");
        let written = fs::create_dir_all(&bucket).and_then(|()| {
            // What others may read anybody may, without a signature.
            fs::set_permissions(&bucket, fs::Permissions::from_mode(0o700))?;
            let data = dir.join("data");
            // It does not know the checksum that comes with the deletion of several objects, and refuses what it does not know.
            let properties = format!(
                "s3proxy.endpoint={endpoint}\ns3proxy.authorization=aws-v4\ns3proxy.identity={USER}\n\
                 s3proxy.credential={SECRET}\ns3proxy.ignore-unknown-headers=true\njclouds.provider=filesystem-nio2\njclouds.filesystem.basedir={}\n",
                data.display()
            );
            fs::write(dir.join("properties"), properties)?;
            fs::write(
                dir.join("logback.xml"),
                "<configuration><root level=\"OFF\"/></configuration>",
            )
        });
        written.map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut java = super::java(&installation, &dir, "-Xmx128m");
        java.arg(format!(
            "-Dlogback.configurationFile={}",
            dir.join("logback.xml").display()
        ))
        .args(["org.gaul.s3proxy.Main", "--properties", "properties"]);
        let objects = AmazonS3Builder::new()
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_endpoint(&endpoint)
            .with_access_key_id(USER)
            .with_secret_access_key(SECRET)
            .with_bucket_name(BUCKET)
            .build()
            .map_err(|error| error.to_string())?;
        let answers = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        Ok(Self {
            server: super::start(&java, work, "s3proxy", answers)?,
            endpoint,
            objects: Box::new(objects),
        })
    }
}

impl Store for S3 {
    fn uri(&self, path: &str) -> String {
        format!("s3://{BUCKET}/{path}")
    }

    fn alias(&self, path: &str) -> Option<String> {
        Some(format!("s3a://{BUCKET}/{path}"))
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = Path::parse(path).unwrap();
        let put = self.objects.put(&path, bytes.to_vec().into());
        RUNTIME.block_on(put).unwrap();
    }

    fn skep(&self, world: &World) -> Program {
        world
            .skep()
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", USER)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
    }
}

/// A case by its name.
type Case = (&'static str, fn(&S3));

/// What is to be so of S3 alone.
pub const CASES: [Case; 2] = [
    ("a_directory_longer_than_a_page_is_read_to_its_end", long),
    ("who_is_refused_hears_it_and_no_secret_is_told", refused),
];

/// A server tells of a thousand entries at a time.
fn long(store: &S3) {
    let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("crates/metadata/tests/samples/2.3.0-heap-savepoint-canonical");
    for entry in fs::read_dir(sample).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        store.put(&format!("long/sp/savepoint-c0ffee-9/{name}"), &fs::read(&path).unwrap());
    }
    let names: Vec<_> = (0..1_050).map(|n| Path::from(format!("long/sp/a-{n:04}"))).collect();
    let puts = stream::iter(&names).map(|name| store.objects.put(name, PutPayload::new()));
    RUNTIME.block_on(puts.buffer_unordered(16).for_each(|put| async { drop(put.unwrap()) }));
    let world = World::with_limit(crate::LIMIT);
    let listed = store
        .skep(&world)
        .with("savepoints --json --dir")
        .arg(store.uri("long/sp"))
        .run();
    let found = crate::shell::objects(&listed.expect_code(0).stdout);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["verdict"], "usable");
}

fn refused(store: &S3) {
    store.put("secret/savepoint-1/_metadata", b"x");
    let world = World::with_limit(crate::LIMIT);
    let wrong = "another-secret-that-nobody-may-see";
    for command in ["inspect", "savepoints --dir"] {
        let at = store.uri("secret/savepoint-1");
        let output = store
            .skep(&world)
            .env("AWS_SECRET_ACCESS_KEY", wrong)
            .with(command)
            .arg(at)
            .run();
        let output = output.expect(1, "").expect_stderr("403 Forbidden");
        assert!(
            !output.stderr.contains(wrong) && !output.stderr.contains(USER),
            "{output}"
        );
    }
    // Without TLS nothing is sent, unless that is allowed.
    let output = store
        .skep(&world)
        .env("AWS_ALLOW_HTTP", "")
        .with("inspect")
        .arg(store.uri("secret"))
        .run();
    assert!(output.expect_stderr("AWS_ALLOW_HTTP=true").code != 0);
    // Nothing of it is kept.
    let _ = store
        .skep(&world)
        .with("savepoints --json --dir")
        .arg(store.uri("secret"))
        .run();
    for entry in fs::read_dir(world.path("data")).into_iter().flatten().flatten() {
        let kept = fs::read(entry.path()).unwrap_or_default();
        let has = |secret: &str| kept.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!has(SECRET) && !has(wrong), "{}", entry.path().display());
    }
}
