//! Reading REF, the word by which a person says which job is meant, and finding the job.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::ui::sanitize;
use skep_engine::JobId;

/// A prefix of a job id has at least so many digits.
pub const SHORTEST_PREFIX: usize = 4;
/// A message names at most so many jobs.
const MOST_NAMED: usize = 8;

/// Which job is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `%3`: the session's job of that number.
    Handle(u32),
    /// `%%`: the session's last job.
    Last,
    /// `%-`: the one before it.
    Previous,
    /// A job id or a prefix of one, an operation id, or a name.
    Word(String),
}

/// A job that can be referred to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Its number, if it is a job of this session.
    pub handle: Option<u32>,
    /// Its id, once it has one.
    pub job_id: Option<JobId>,
    /// The id of the operation that submitted it.
    pub operation: Option<String>,
    /// Its name.
    pub name: String,
    /// A later job was restored from it: the name that both have means the later one.
    pub superseded: bool,
}

/// Why no job was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It can't be a reference.
    #[error("{0:?} does not refer to a job")]
    Malformed(String),
    /// No such job.
    #[error("{}", absent(reference))]
    NotFound {
        /// What was asked for.
        reference: Reference,
        /// The session's jobs, as they are shown.
        session: Vec<String>,
    },
    /// Several jobs are meant.
    #[error("{word} is ambiguous: it could be {}", listed(meanings))]
    Ambiguous {
        /// What was asked for.
        word: String,
        /// The jobs that it could mean, as they are shown.
        meanings: Vec<String>,
    },
}

impl ReferenceError {
    /// What the person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Malformed(_) => {
                "%3, %% (the last), %- (the one before), a job id or its first 4 digits or more, or a job's name"
                    .to_owned()
            }
            Self::NotFound { reference, session } => {
                let jobs = match &session[..] {
                    [] => "this session has no jobs".to_owned(),
                    jobs => format!("this session has {}", listed(jobs)),
                };
                let short = matches!(reference, Reference::Word(word) if word.len() < SHORTEST_PREFIX && is_hex(word));
                let digits = if short {
                    "of a job id give at least 4 digits · "
                } else {
                    ""
                };
                format!("{digits}{jobs} · !jobs -a lists earlier ones")
            }
            Self::Ambiguous { .. } => "give a handle, or more digits of the job id".to_owned(),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let text = text.trim();
        let malformed = || ReferenceError::Malformed(text.chars().take(64).collect());
        match text.strip_prefix('%') {
            None if text.is_empty() => Err(malformed()),
            None => Ok(Self::Word(text.to_owned())),
            Some("%") => Ok(Self::Last),
            Some("-") => Ok(Self::Previous),
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map(Self::Handle).map_err(|_| malformed())
            }
            Some(_) => Err(malformed()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handle(handle) => write!(f, "%{handle}"),
            Self::Last => f.write_str("%%"),
            Self::Previous => f.write_str("%-"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(handle) = self.handle {
            write!(f, "%{handle} ")?;
        }
        f.write_str(&sanitize(&self.name))
    }
}

/// Finds the job that is meant and returns its place among the candidates. `last` and `previous` are the handles that
/// `%%` and `%-` mean. A job that stands among the candidates twice counts as its first.
///
/// A whole id is the job that has it. A word that is the name of one job and the beginning of another's id is ambiguous,
/// and so is a name that several jobs have, unless all but one are superseded.
///
/// # Errors
/// No job is meant, or several are.
pub fn resolve(
    reference: &Reference,
    candidates: &[Candidate],
    last: Option<u32>,
    previous: Option<u32>,
) -> Result<usize, ReferenceError> {
    let by_handle = |handle: Option<u32>| {
        let handle = handle?;
        candidates.iter().position(|candidate| candidate.handle == Some(handle))
    };
    let found = match reference {
        Reference::Handle(handle) => by_handle(Some(*handle)),
        Reference::Last => by_handle(last),
        Reference::Previous => by_handle(previous),
        Reference::Word(word) => by_word(word, candidates)?,
    };
    found.ok_or_else(|| ReferenceError::NotFound {
        reference: reference.clone(),
        session: candidates
            .iter()
            .filter(|candidate| candidate.handle.is_some())
            .map(Candidate::to_string)
            .collect(),
    })
}

fn by_word(word: &str, candidates: &[Candidate]) -> Result<Option<usize>, ReferenceError> {
    let has_id = |candidate: &Candidate| {
        candidate
            .job_id
            .is_some_and(|id| id.to_string().eq_ignore_ascii_case(word))
            || candidate
                .operation
                .as_ref()
                .is_some_and(|id| id.eq_ignore_ascii_case(word))
    };
    if let Some(place) = one_of(word, candidates, places(candidates, has_id))? {
        return Ok(Some(place));
    }
    let mut named = places(candidates, |candidate| candidate.name == word);
    let current: Vec<_> = named
        .iter()
        .copied()
        .filter(|place| !candidates[*place].superseded)
        .collect();
    if !current.is_empty() {
        named = current;
    }
    let prefix = word.to_ascii_lowercase();
    let is_prefix = word.len() >= SHORTEST_PREFIX && is_hex(word);
    let begun = places(candidates, |candidate| {
        is_prefix && candidate.job_id.is_some_and(|id| id.to_string().starts_with(&prefix))
    });
    named.extend(begun);
    one_of(word, candidates, named)
}

fn places(candidates: &[Candidate], matches: impl Fn(&Candidate) -> bool) -> Vec<usize> {
    (0..candidates.len())
        .filter(|place| matches(&candidates[*place]))
        .collect()
}

/// The one job that stands at these places.
fn one_of(word: &str, candidates: &[Candidate], places: Vec<usize>) -> Result<Option<usize>, ReferenceError> {
    let mut meant: Vec<usize> = Vec::new();
    for place in places {
        let job_id = candidates[place].job_id;
        let is_known = |other: &usize| *other == place || (job_id.is_some() && candidates[*other].job_id == job_id);
        if !meant.iter().any(is_known) {
            meant.push(place);
        }
    }
    match meant[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(ReferenceError::Ambiguous {
            word: word.to_owned(),
            meanings: meant.into_iter().map(|place| in_full(&candidates[place])).collect(),
        }),
    }
}

fn in_full(candidate: &Candidate) -> String {
    match candidate.job_id {
        Some(id) => format!("{candidate} (job {})", id.short()),
        None => candidate.to_string(),
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn absent(reference: &Reference) -> String {
    match reference {
        Reference::Handle(handle) => format!("no job %{handle} in this session"),
        Reference::Last => "%% means the last job, and this session has none yet".to_owned(),
        Reference::Previous => "%- means the job before the last one, and this session has none".to_owned(),
        Reference::Word(word) => format!("no job {}", word.chars().take(64).collect::<String>()),
    }
}

fn listed(jobs: &[String]) -> String {
    let mut text = jobs[..jobs.len().min(MOST_NAMED)].join(", ");
    if jobs.len() > MOST_NAMED {
        text.push_str(&format!(" and {} more", jobs.len() - MOST_NAMED));
    }
    text
}

impl ReferenceError {
    /// The same for a command of the command line, which has no session before it.
    pub fn on_command_line(self) -> Error {
        let message = match &self {
            Self::NotFound { reference, session } if session.is_empty() => match reference {
                Reference::Word(_) => self.to_string(),
                _ => format!("{reference} is a job of a session, and a command has none before it"),
            },
            _ => self.to_string(),
        };
        let hint = match &self {
            Self::NotFound { session, .. } if session.is_empty() => {
                "skep jobs lists them: by id, its first 4 digits or more, or name".to_owned()
            }
            _ => self.hint(),
        };
        Error::failed(message).hint(hint)
    }
}

impl From<ReferenceError> for Error {
    fn from(error: ReferenceError) -> Self {
        Self::failed(error.to_string()).hint(error.hint())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DELAYS: &str = "5f2c9a4e0b1d4c6e8f7a9b0c1d2e3f40";
    const ORDERS: &str = "5f2c77010b1d4c6e8f7a9b0c1d2e3f40";
    const USERS: &str = "beef77010b1d4c6e8f7a9b0c1d2e3f40";

    fn job(handle: Option<u32>, id: &str, name: &str) -> Candidate {
        Candidate {
            handle,
            job_id: id.parse().ok(),
            name: name.to_owned(),
            ..Candidate::default()
        }
    }

    fn candidates() -> Vec<Candidate> {
        vec![
            job(Some(1), DELAYS, "delays"),
            Candidate {
                operation: Some("a7a0d2f4-12ab".to_owned()),
                ..job(Some(2), ORDERS, "orders")
            },
            job(None, USERS, "users"),
        ]
    }

    fn find(text: &str) -> Result<usize, ReferenceError> {
        find_in(text, &candidates())
    }

    fn find_in(text: &str, candidates: &[Candidate]) -> Result<usize, ReferenceError> {
        resolve(&text.parse()?, candidates, Some(2), Some(1))
    }

    #[test]
    fn each_form_finds_its_job() {
        assert_eq!(find("%1"), Ok(0));
        assert_eq!(find("%%"), Ok(1));
        assert_eq!(find("%-"), Ok(0));
        assert_eq!(find(DELAYS), Ok(0));
        assert_eq!(find(&DELAYS.to_uppercase()), Ok(0));
        assert_eq!(find("5f2c9"), Ok(0));
        assert_eq!(find("BEEF"), Ok(2));
        assert_eq!(find("A7A0d2f4-12ab"), Ok(1));
        assert_eq!(find("users"), Ok(2));
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let error = find("%7").unwrap_err();
        assert_eq!(error.to_string(), "no job %7 in this session");
        assert_eq!(
            error.hint(),
            "this session has %1 delays, %2 orders · !jobs -a lists earlier ones"
        );
        let error = find_in("%1", &[]).unwrap_err();
        assert_eq!(error.hint(), "this session has no jobs · !jobs -a lists earlier ones");
        let error = find("bee").unwrap_err();
        assert_eq!(error.to_string(), "no job bee");
        assert!(
            error
                .hint()
                .starts_with("of a job id give at least 4 digits · this session"),
            "{}",
            error.hint()
        );
        assert_eq!(
            resolve(&Reference::Last, &[], None, None).unwrap_err().to_string(),
            "%% means the last job, and this session has none yet"
        );
    }

    #[test]
    fn what_could_mean_two_does_nothing_and_lists_them() {
        let error = find("5f2c").unwrap_err();
        assert_eq!(
            error.to_string(),
            "5f2c is ambiguous: it could be %1 delays (job 5f2c9a4e), %2 orders (job 5f2c7701)"
        );
        let mut jobs = candidates();
        jobs.push(job(None, "00000000000000000000000000000001", "beef"));
        assert!(
            matches!(find_in("beef", &jobs), Err(ReferenceError::Ambiguous { .. })),
            "a name and a prefix"
        );
        jobs[3].job_id = USERS.parse().ok();
        assert_eq!(find_in("beef", &jobs), Ok(3), "both of one job");
    }

    #[test]
    fn a_whole_id_goes_before_a_name() {
        let mut jobs = candidates();
        jobs.push(job(Some(3), "00000000000000000000000000000001", USERS));
        assert_eq!(find_in(USERS, &jobs), Ok(2));
    }

    #[test]
    fn a_name_means_the_job_that_goes_on_from_the_others() {
        let mut jobs = candidates();
        jobs.push(job(None, "00000000000000000000000000000001", "users"));
        assert!(matches!(find_in("users", &jobs), Err(ReferenceError::Ambiguous { .. })));
        jobs[2].superseded = true;
        assert_eq!(find_in("users", &jobs), Ok(3));
        assert_eq!(find_in("beef", &jobs), Ok(2), "its id still means the older one");
        jobs.truncate(3);
        assert_eq!(find_in("users", &jobs), Ok(2), "the later one has another name");
    }

    #[test]
    fn what_can_not_be_a_reference_is_refused() {
        for text in ["", " ", "%", "%x", "%1x", "%99999999999", "%%%"] {
            assert!(
                matches!(text.parse::<Reference>(), Err(ReferenceError::Malformed(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let jobs: Vec<_> = (1..=20).map(|handle| job(Some(handle), "", "x")).collect();
        let error = find_in("x", &jobs).unwrap_err();
        assert!(error.to_string().ends_with("%8 x and 12 more"), "{error}");
    }

    proptest! {
        #[test]
        fn a_reference_prints_as_it_is_read(text in "%[0-9]{1,5}|%%|%-|[0-9a-f]{1,32}|\\PC{1,20}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse(), Ok(reference));
            }
        }

        #[test]
        fn a_prefix_finds_every_job_that_begins_with_it(
            ids in prop::collection::btree_set(prop::array::uniform16(0_u8..2), 1..8),
            length in 4_usize..=32,
        ) {
            let jobs: Vec<_> = ids.iter().map(|bytes| Candidate {
                job_id: Some(JobId::from_bytes(*bytes)),
                ..Candidate::default()
            }).collect();
            let id = |job: &Candidate| job.job_id.map(|id| id.to_string()).unwrap_or_default();
            let prefix = id(&jobs[0])[..length].to_owned();
            let meant = jobs.iter().filter(|job| id(job).starts_with(&prefix)).count();
            match find_in(&prefix, &jobs) {
                Ok(place) => prop_assert_eq!((place, meant), (0, 1)),
                Err(ReferenceError::Ambiguous { meanings, .. }) => prop_assert_eq!(meanings.len(), meant),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}
