use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

fn to(url: &str) -> Outgoing {
    Outgoing {
        method: Method::POST,
        url: url.to_owned(),
        headers: Vec::new(),
        body: b"{}".to_vec(),
        proxy: None,
        timeout: Duration::from_secs(20),
    }
}

/// A server that answers each connection once with these bytes, and tells how many requests it has seen.
async fn answering(bytes: &'static [u8]) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            if stream.read(&mut head).await.unwrap_or(0) > 0 {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
            let _ = stream.write_all(bytes).await;
        }
    });
    (url, seen)
}

#[tokio::test]
async fn a_private_address_is_never_called() {
    let client = HttpClient::new(false);
    let (url, seen) = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(matches!(client.send(to(&url)).await, Err(Failure::NotAllowed(_))));
    let by_name = url.replace("127.0.0.1", "localhost");
    assert!(matches!(client.send(to(&by_name)).await, Err(Failure::NotAllowed(_))));
    assert!(client.check_target("http://[::ffff:10.0.0.1]/").is_err());
    assert!(client.check_proxy("socks5h://169.254.169.254:1080").is_err());
    assert!(client.check_target("ftp://example.com/").is_err());
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn another_protocol_gets_no_private_address_either() {
    let client = HttpClient::new(false);
    for private in ["127.0.0.1", "::1", "[::1]", "10.0.0.1", "169.254.169.254", "localhost", "LOCALHOST."] {
        assert!(client.check_host(private).is_err(), "{private}");
        assert!(matches!(client.addresses(private, 25).await, Err(Failure::NotAllowed(_))), "{private}");
    }
    assert!(client.check_host("smtp.example.com").is_ok() && client.check_host("not a host").is_err());
    let found = HttpClient::new(true).addresses("localhost", 25).await.unwrap();
    assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 25) && !found.is_empty());
    assert_eq!(client.addresses("1.1.1.1", 465).await.unwrap(), ["1.1.1.1:465".parse().unwrap()]);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let client = HttpClient::new(true);
    let (target, seen) = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let redirect = format!("HTTP/1.1 307 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
    let (url, _) = answering(Box::leak(redirect.into_bytes().into_boxed_slice())).await;
    assert_eq!(client.send(to(&url)).await.unwrap().status, 307);
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_that_was_sent_and_not_answered_is_told_apart_from_one_that_was_not_sent() {
    let client = HttpClient::new(true);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(client.send(to(&format!("http://{closed}/"))).await.err(), Some(Failure::Connect));

    let (url, seen) = answering(b"").await;
    assert_eq!(client.send(to(&url)).await.err(), Some(Failure::Unanswered { timed_out: false }));
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 1, "it was sent once");

    let (url, _) = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_eq!(client.send(to(&url)).await.err(), Some(Failure::Unanswered { timed_out: false }));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut waiting = to(&format!("http://{}/", silent.local_addr().unwrap()));
    waiting.timeout = Duration::from_millis(200);
    assert_eq!(client.send(waiting).await.err(), Some(Failure::Unanswered { timed_out: true }));
}

#[tokio::test]
async fn what_is_to_go_through_a_proxy_never_goes_without_it() {
    let client = HttpClient::new(true);
    let (url, seen) = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let mut proxied = to(&url);
        proxied.proxy = Some(Secret::new(format!("{scheme}://{closed}")));
        assert_eq!(client.send(proxied).await.err(), Some(Failure::ProxyConnect), "{scheme}");
    }
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_proxy_that_refuses_the_credentials_is_told_apart() {
    let client = HttpClient::new(true);
    let (proxy, _) = answering(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
    for url in ["http://target.example/", "https://target.example/"] {
        let mut proxied = to(url);
        proxied.proxy = Some(Secret::new(proxy.clone()));
        assert_eq!(client.send(proxied).await.err(), Some(Failure::ProxyAuth), "{url}");
    }
    // SOCKS 5 (RFC 1928): no acceptable method.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            refuse_socks(&mut stream).await;
        }
    });
    let mut proxied = to("http://target.example/");
    proxied.proxy = Some(Secret::new(format!("socks5h://user:wrong@{address}")));
    assert_eq!(client.send(proxied).await.err(), Some(Failure::ProxyAuth));
}

async fn refuse_socks(stream: &mut TcpStream) {
    let mut greeting = [0; 64];
    let _ = stream.read(&mut greeting).await;
    let _ = stream.write_all(&[5, 2]).await; // user name and password, RFC 1929
    let _ = stream.read(&mut greeting).await;
    let _ = stream.write_all(&[1, 1]).await; // refused
}
