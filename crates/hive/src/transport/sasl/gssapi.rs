//! The mechanism GSSAPI (RFC 4752): a log-in by Kerberos, and what it may lay around every frame after that.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Failure, Status, receive, send};
use crate::transport::Protection;
use crate::transport::kerberos::{self, Context};

/// The layers in an offer and in the answer to it, a bit each, the strongest first.
const LAYERS: [(u8, Protection); 3] = [
    (4, Protection::Confidentiality),
    (2, Protection::Integrity),
    (1, Protection::Authentication),
];

/// The most that is sent in one frame if the server does not say: the default of `javax.security.sasl.maxbuffer`.
const DEFAULT_LARGEST: usize = 65_536;

/// What a layer adds to a frame at most: header, confounder and checksum of any encryption type are less.
const ADDED: usize = 256;

/// What is laid around frames: a checksum, or encryption.
#[derive(Debug)]
pub(crate) struct Layer {
    context: Box<dyn Context>,
    encrypts: bool,
    /// The most that a frame that is sent may hold.
    largest: usize,
}

impl Layer {
    /// The frames of a message.
    ///
    /// # Errors
    /// Kerberos's word: the ticket has run out.
    pub(crate) fn wrap(&mut self, message: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let Self {
            context,
            encrypts,
            largest,
        } = self;
        message
            .chunks(*largest)
            .map(|part| context.wrap(*encrypts, part))
            .collect()
    }

    /// What is in a frame.
    ///
    /// # Errors
    /// Somebody has changed it, or it is another's.
    pub(crate) fn unwrap(&mut self, frame: &[u8]) -> Result<Vec<u8>, String> {
        self.context.unwrap(frame)
    }
}

/// Logs in. The layer that the server asks for lies around everything after that, the strongest if it leaves the choice;
/// `wanted` lets no other pass.
pub(in crate::transport) async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    context: Box<dyn Context>,
    wanted: Option<Protection>,
) -> Result<Option<Layer>, Failure> {
    let (mut context, token) = kerberos::step(context, None).await.map_err(Failure::Kerberos)?;
    let token = token.unwrap_or_default();
    send(stream, &[(Status::Start, b"GSSAPI"), (Status::Ok, &token)]).await?;
    while !context.is_complete() {
        let token = go_on(receive(stream).await?)?;
        let stepped = kerberos::step(context, Some(token)).await.map_err(Failure::Kerberos)?;
        let answer;
        (context, answer) = stepped;
        send(stream, &[(Status::Ok, &answer.unwrap_or_default())]).await?;
    }
    let offer = go_on(receive(stream).await?)?;
    let offer = context.unwrap(&offer).map_err(Failure::Kerberos)?;
    let (bit, protection, largest) = choose(&offer, wanted)?;
    let largest_of_ours: [u8; 3] = match protection {
        Protection::Authentication => [0; 3],
        // What comes is read as it comes: there is no bound but that of all messages.
        _ => [0xff; 3],
    };
    let mut answer = vec![bit];
    answer.extend(largest_of_ours);
    // Nobody else to act as follows: the user is who the ticket says.
    let answer = context.wrap(false, &answer).map_err(Failure::Kerberos)?;
    send(stream, &[(Status::Complete, &answer)]).await?;
    match receive(stream).await? {
        (Status::Complete, _) => Ok((protection != Protection::Authentication).then_some(Layer {
            context,
            encrypts: protection == Protection::Confidentiality,
            largest,
        })),
        _ => Err(more_or_less()),
    }
}

/// The payload of a message after which the log-in goes on.
fn go_on((status, payload): (Status, Vec<u8>)) -> Result<Vec<u8>, Failure> {
    match status {
        Status::Ok => Ok(payload),
        _ => Err(more_or_less()),
    }
}

fn more_or_less() -> Failure {
    Failure::Malformed("its log-in by SASL's GSSAPI is another than that of RFC 4752".to_owned())
}

/// The layer that is taken of an offer: its bit, what it is, and how much a frame may hold.
fn choose(offer: &[u8], wanted: Option<Protection>) -> Result<(u8, Protection, usize), Failure> {
    let [layers, largest @ ..] = offer else {
        return Err(more_or_less());
    };
    let Ok([a, b, c]) = <[u8; 3]>::try_from(largest) else {
        return Err(more_or_less());
    };
    let mut offered = LAYERS.into_iter().filter(|(bit, _)| layers & bit != 0);
    let (bit, protection) = match wanted {
        None => offered.next().ok_or_else(more_or_less)?,
        Some(wanted) => offered.clone().find(|(_, layer)| *layer == wanted).ok_or_else(|| {
            let words: Vec<_> = offered.map(|(_, layer)| layer.word()).collect();
            let (wanted, words) = (wanted.word(), words.join(", "));
            Failure::Kerberos(format!("the server does not offer {wanted} (sasl.qop), but {words}"))
        })?,
    };
    let largest = match u32::from_be_bytes([0, a, b, c]) as usize {
        0 => DEFAULT_LARGEST,
        largest => largest,
    };
    Ok((bit, protection, largest.saturating_sub(ADDED).max(ADDED)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Stands for Kerberos: two steps, and a byte in front that says how a message is wrapped.
    #[derive(Debug, Default)]
    struct Toy {
        steps: usize,
    }

    impl Context for Toy {
        fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>, String> {
            self.steps += 1;
            match (self.steps, token) {
                (1, None) => Ok(Some(b"ticket".to_vec())),
                (2, Some(b"proof")) => Ok(None),
                _ => Err("no such step".to_owned()),
            }
        }

        fn is_complete(&self) -> bool {
            self.steps == 2
        }

        fn wrap(&mut self, encrypt: bool, bytes: &[u8]) -> Result<Vec<u8>, String> {
            Ok([&[u8::from(encrypt)], bytes].concat())
        }

        fn unwrap(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
            match bytes {
                [0 | 1, rest @ ..] => Ok(rest.to_vec()),
                _ => Err("the checksum is wrong".to_owned()),
            }
        }
    }

    fn message(status: u8, payload: &[u8]) -> Vec<u8> {
        [&[status][..], &super::super::length(payload.len()), payload].concat()
    }

    /// Logs in at a server that says these things; what it heard, and what came of it.
    async fn converse(says: &[Vec<u8>], wanted: Option<Protection>) -> (Vec<u8>, Result<Option<Layer>, Failure>) {
        let (mut here, mut there) = duplex(1 << 16);
        there.write_all(&says.concat()).await.unwrap();
        let done = log_in(&mut here, Box::<Toy>::default(), wanted).await;
        drop(here);
        let mut heard = Vec::new();
        there.read_to_end(&mut heard).await.unwrap();
        (heard, done)
    }

    #[tokio::test]
    async fn a_log_in_is_that_of_rfc_4752() {
        for (offer, wanted, taken) in [
            ([1, 0, 0, 0], None, [0, 1, 0, 0, 0]),
            ([2, 1, 0, 0], None, [0, 2, 255, 255, 255]),
            ([7, 1, 0, 0], None, [0, 4, 255, 255, 255]),
            ([7, 1, 0, 0], Some(Protection::Integrity), [0, 2, 255, 255, 255]),
            ([7, 1, 0, 0], Some(Protection::Authentication), [0, 1, 0, 0, 0]),
        ] {
            let offered = [&[0][..], &offer].concat();
            let says = [message(2, b"proof"), message(2, &offered), message(5, b"")];
            let (heard, layer) = converse(&says, wanted).await;
            let expected = [
                message(1, b"GSSAPI"),
                message(2, b"ticket"),
                message(2, b""),
                message(5, &taken),
            ];
            assert_eq!(heard, expected.concat());
            let layer = layer.unwrap();
            assert_eq!(
                layer.map(|layer| layer.encrypts),
                (taken[1] > 1).then_some(taken[1] == 4)
            );
        }
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told() {
        let offer = |layers: u8| message(2, &[0, layers, 1, 0, 0]);
        let proof = || message(2, b"proof");
        for (says, wanted, word) in [
            (vec![message(3, b"who are you?")], None, "who are you?"),
            (vec![message(4, b"broken")], None, "broken"),
            (vec![message(2, b"forged")], None, "no such step"),
            (vec![message(5, b"")], None, "RFC 4752"),
            (vec![proof(), message(2, b"x")], None, "the checksum is wrong"),
            (vec![proof(), message(2, &[0, 1])], None, "RFC 4752"),
            (vec![proof(), offer(0)], None, "RFC 4752"),
            (
                vec![proof(), offer(3)],
                Some(Protection::Confidentiality),
                "does not offer auth-conf (sasl.qop), but auth-int, auth",
            ),
            (vec![proof(), offer(1), message(2, b"")], None, "RFC 4752"),
            (vec![proof(), offer(1), message(3, b"not you")], None, "not you"),
            (vec![b"HTTP/1.1 400".to_vec()], None, "does not speak SASL"),
        ] {
            let failure = converse(&says, wanted).await.1.unwrap_err();
            assert!(format!("{failure:?}").contains(word), "{failure:?}");
        }
    }

    #[test]
    fn a_message_is_cut_into_frames_that_the_server_takes() {
        let (_, _, largest) = choose(&[4, 0, 4, 0], None).unwrap();
        let mut layer = Layer {
            context: Box::<Toy>::default(),
            encrypts: true,
            largest,
        };
        let message: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let frames = layer.wrap(&message).unwrap();
        assert!(frames.len() > 1 && frames.iter().all(|frame| frame[0] == 1 && frame.len() <= 1024));
        let whole: Vec<u8> = frames.iter().flat_map(|frame| layer.unwrap(frame).unwrap()).collect();
        assert_eq!(whole, message);
        assert!(layer.unwrap(b"\x07").is_err());
    }

    proptest! {
        #[test]
        fn no_offer_is_too_odd(offer in proptest::collection::vec(any::<u8>(), 0..8), wanted in 0..4usize) {
            let wanted = LAYERS.get(wanted).map(|(_, layer)| *layer);
            if let Ok((bit, _, largest)) = choose(&offer, wanted) {
                prop_assert!(offer[0] & bit != 0 && largest >= ADDED);
            }
        }
    }
}
