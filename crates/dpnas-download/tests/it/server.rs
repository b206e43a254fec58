//! A web server on 127.0.0.1 with scripted answers.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// For example `GET /file.bin HTTP/1.1`.
    pub(crate) line: String,
    /// `START` of a header `Range: bytes=START-`.
    pub(crate) from: Option<usize>,
    /// How many requests came before.
    pub(crate) index: usize,
}

/// What it gets; the connection is closed afterwards.
pub(crate) enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, then zeros for as long as the client listens.
    Endless(Vec<u8>),
    /// These bytes, then silence.
    Stall(Vec<u8>),
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    /// Its address, without a slash at the end.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// A server that gives each request to `answer`; as a proxy, it connects to itself.
    pub(crate) fn new(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (Arc::clone(&requests), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = stream.unwrap();
                let next = |stream: &TcpStream| {
                    let index = seen.lock().unwrap().len();
                    let request = read_request(stream, index)?;
                    seen.lock().unwrap().push(request.clone());
                    Some(request)
                };
                let Some(mut request) = next(&stream) else { continue };
                if request.line.starts_with("CONNECT") {
                    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                    let Some(inner) = next(&stream) else { continue };
                    request = inner;
                }
                send(&mut stream, answer(&request), &stopped);
            }
        });
        Self { url: format!("http://{address}"), requests, stop, thread: Some(thread) }
    }

    /// A good server for these bytes, with ranges.
    pub(crate) fn good(content: Vec<u8>) -> Self {
        Self::new(move |request| Answer::Bytes(good(&content, request)))
    }

    /// Where each request so far wanted to start; `None` for the whole file.
    pub(crate) fn ranges(&self) -> Vec<Option<usize>> {
        self.requests.lock().unwrap().iter().map(|request| request.from).collect()
    }

    /// The request lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|request| request.line.clone()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        let outcome = self.thread.take().unwrap().join();
        assert!(outcome.is_ok() || std::thread::panicking(), "the server panicked");
    }
}

/// The right answer: the whole file, or the rest of it.
pub(crate) fn good(content: &[u8], request: &Request) -> Vec<u8> {
    match request.from {
        None => response("200 OK", &[], content, content.len()),
        Some(from) if from >= content.len() => response("416 Range Not Satisfiable", &[], b"", 0),
        Some(from) => {
            let range = format!("Content-Range: bytes {from}-{}/{}", content.len() - 1, content.len());
            response("206 Partial Content", &[&range], &content[from..], content.len() - from)
        }
    }
}

/// An answer that announces `length` bytes and sends `body`.
pub(crate) fn response(status: &str, headers: &[&str], body: &[u8], length: usize) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn read_request(stream: &TcpStream, index: usize) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let line = lines.next()?.ok()?;
    let mut from = None;
    for header in lines {
        let header = header.ok()?.to_ascii_lowercase();
        if header.is_empty() {
            return Some(Request { line, from, index });
        }
        if let Some(range) = header.strip_prefix("range: bytes=") {
            from = Some(range.trim_end_matches('-').parse().unwrap());
        }
    }
    None
}

/// A client that does not listen any more is no failure of the server.
fn send(stream: &mut TcpStream, answer: Answer, stopped: &AtomicBool) {
    match answer {
        Answer::Bytes(bytes) => drop(stream.write_all(&bytes)),
        Answer::Endless(bytes) => {
            let mut outcome = stream.write_all(&bytes);
            while outcome.is_ok() && !stopped.load(Ordering::Relaxed) {
                outcome = stream.write_all(&[0; 4096]);
            }
        }
        Answer::Stall(bytes) => {
            drop(stream.write_all(&bytes));
            for _ in 0..200 {
                if stopped.load(Ordering::Relaxed) || is_closed(stream) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    matches!(stream.peek(&mut [0]), Ok(0))
}
