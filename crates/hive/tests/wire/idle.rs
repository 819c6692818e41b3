//! A connection that ends while nobody calls.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;

use skep_hive::{Client, Endpoint, Error, Transport};

use crate::{golden, limits, open};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_then_is_known_not_to_be_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        transport: Transport::Plain,
        tls: None,
    };
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut call = [0; 4096];
        assert!(stream.read(&mut call).unwrap() > 0);
        stream.write_all(&golden("open").1).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // The client ends it too, without another word.
        stream.read(&mut call).unwrap()
    });
    let client = Client::connect(&endpoint, limits()).await.unwrap();
    let session = open(&client).await.unwrap();
    let sent = tokio::task::spawn_blocking(|| server.join().unwrap()).await.unwrap();
    assert_eq!(sent, 0);
    let refused = client.info(&session.handle, 17).await;
    assert!(
        matches!(&refused, Err(Error::Closed(why)) if why == "the server closed it"),
        "{refused:?}"
    );
}
