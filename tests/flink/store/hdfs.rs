//! HDFS: a NameNode and a DataNode in one process, with WebHDFS.

use std::fs;
use std::time::Duration;

use reqwest::{Client, Response};

use super::{Server, Store};
use crate::cluster::{Installation, Kit, Work, free_ports};
use crate::witness::{RUNTIME, plain};
use crate::world::{Program, World};

/// Who the files belong to.
const USER: &str = "skep-tests";

/// Entries that it tells of at a time: few, so that what is read is put together from several answers.
const PAGE: u32 = 3;

/// A running HDFS.
pub struct Hdfs {
    http: u16,
    rpc: u16,
    /// Its process.
    pub server: Server,
}

impl Hdfs {
    /// Starts one.
    ///
    /// # Errors
    /// What is missing, or why it does not start.
    pub fn start(work: &Work) -> Result<Self, String> {
        let kit = Kit {
            name: "hadoop-3.4.1".to_owned(),
            pom: include_str!("hadoop.xml"),
            properties: Vec::new(),
        };
        let installation = Installation::prepare(&kit, &work.path("installation.log"))?;
        let dir = work.path("hdfs");
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let [http, rpc] = free_ports();
        let mut java = super::java(&installation, &dir, "-Xmx256m");
        java.args([
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "org.apache.hadoop.test.MiniDFSClusterManager",
        ])
        .args(["-format", "-datanodes", "1"])
        .args(["-nnport", &rpc.to_string(), "-httpport", &http.to_string()])
        .args(["-D", &format!("hadoop.tmp.dir={}", dir.join("tmp").display())])
        .args(["-D", &format!("dfs.ls.limit={PAGE}")])
        // Whoever writes may write anywhere.
        .args(["-D", "dfs.permissions.enabled=false"]);
        let client = client();
        let url = format!("http://127.0.0.1:{http}/webhdfs/v1/?op=LISTSTATUS&user.name={USER}");
        // It takes files as soon as its DataNode has told of itself.
        let answers = || {
            let probe = format!("http://127.0.0.1:{http}/webhdfs/v1/probe?op=CREATE&overwrite=true&user.name={USER}");
            send(client.get(&url)).is_ok_and(|answer| answer.status().is_success())
                && send(client.put(&probe)).is_ok_and(|answer| answer.status() == 307)
        };
        let server = super::start(&java, work, "hdfs", answers)?;
        Ok(Self { http, rpc, server })
    }
}

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = plain()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(60));
    client.build().unwrap()
}

fn send(request: reqwest::RequestBuilder) -> reqwest::Result<Response> {
    RUNTIME.block_on(async { request.send().await })
}

impl Store for Hdfs {
    fn uri(&self, path: &str) -> String {
        format!("hdfs://localhost:{}/{path}", self.rpc)
    }

    fn alias(&self, _path: &str) -> Option<String> {
        None
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let client = client();
        let url = format!(
            "http://127.0.0.1:{}/webhdfs/v1/{path}?op=CREATE&overwrite=true&user.name={USER}",
            self.http
        );
        let answer = send(client.put(url)).unwrap();
        let node = answer.headers()["location"].to_str().unwrap().to_owned();
        let answer = send(client.put(node).body(bytes.to_vec())).unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    fn skep(&self, world: &World) -> Program {
        world
            .skep()
            .env("SKEP_WEBHDFS", format!("http://127.0.0.1:{}", self.http))
            .env("HADOOP_USER_NAME", USER)
    }
}
