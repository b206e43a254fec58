//! Whatever servers do: the file, or an error and no file.

use crate::server::{Answer, Server, good, response};
use crate::{NAME, assert_fetched, content, fetch};
use proptest::prelude::*;
use std::fs;

/// One answer of a server that is not to be trusted.
#[derive(Clone, Debug)]
enum Behaviour {
    Good,
    Break(usize),
    IgnoreRange(usize),
    WrongBytes(u8),
    Status(u16),
    Length(usize),
    WrongRange(usize),
    Noise(Vec<u8>),
}

impl Behaviour {
    fn answer(&self, request: &crate::server::Request) -> Vec<u8> {
        let content = content();
        let from = request.from.unwrap_or(0);
        match self {
            Self::Good => good(&content, request),
            Self::Break(count) => {
                let mut answer = good(&content, request);
                answer.truncate(answer.len() - (content.len() - from).min(answer.len()) + count);
                answer
            }
            Self::IgnoreRange(count) => response("200 OK", &[], &content[..*count], content.len()),
            Self::WrongBytes(byte) => good(&vec![*byte; content.len()], request),
            Self::Status(status) => response(&format!("{status} Whatever"), &[], b"", 0),
            Self::Length(length) => response("200 OK", &[], &content, *length),
            Self::WrongRange(start) => {
                let range = format!("Content-Range: bytes {start}-4999/5000");
                response("206 Partial Content", &[&range], &content[*start..], content.len() - start)
            }
            Self::Noise(noise) => noise.clone(),
        }
    }
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        2 => Just(Behaviour::Good),
        3 => (0usize..5000).prop_map(Behaviour::Break),
        2 => (0usize..=5000).prop_map(Behaviour::IgnoreRange),
        1 => any::<u8>().prop_map(Behaviour::WrongBytes),
        1 => (200u16..600).prop_map(Behaviour::Status),
        1 => (0usize..10_000).prop_map(Behaviour::Length),
        1 => (0usize..5000).prop_map(Behaviour::WrongRange),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Behaviour::Noise),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_name_stands_for_the_whole_file_or_nothing(
        script in prop::collection::vec(behaviour(), 1..8),
        before in prop::option::of((0usize..6000, any::<bool>())),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join(format!("{NAME}.part"));
        if let Some((len, right)) = before {
            let bytes = if right { content()[..len.min(5000)].to_vec() } else { vec![3; len] };
            fs::write(&part, bytes).unwrap();
        }
        let bad = Server::new(move |request| Answer::Bytes(script[request.index % script.len()].answer(request)));
        match fetch(&[&bad], folder.path()) {
            Ok(()) => assert_fetched(folder.path()),
            Err(_) => {
                prop_assert!(!folder.path().join(NAME).exists());
                prop_assert!(fs::metadata(&part).unwrap().len() <= 5000);
            }
        }
        // A good mirror puts everything right, whatever the bad one has left behind.
        fetch(&[&Server::good(content())], folder.path()).unwrap();
        assert_fetched(folder.path());
    }
}
