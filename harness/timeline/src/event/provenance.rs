//! Where a run comes from.

use serde::{Deserialize, Serialize};

/// The commit, job and computer of a run; what is unknown is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The commit under test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Files of the commit were changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
    /// Its branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The branch that it goes to: of a pull request its target, else the default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// The page of the CI job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_url: Option<String>,
    /// Name of the computer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl Provenance {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The commit as people write it: `1a2b3c4d5e6f`, and whether files were changed.
    #[must_use]
    pub fn short_commit(&self) -> Option<String> {
        /// Enough to be unique in large repositories.
        const LENGTH: usize = 12;
        let commit = self.commit.as_ref()?;
        let is_hash = commit.len() >= 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
        let short = if is_hash { &commit[..LENGTH] } else { commit };
        Some(if self.dirty { format!("{short} with changes") } else { short.to_owned() })
    }

    /// The job's page, if it can be a link: an address of the web without characters that end a link.
    #[must_use]
    pub fn job_link(&self) -> Option<&str> {
        let url = self.job_url.as_deref()?;
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&*+,;=%".contains(c);
        (is_web && url.chars().all(is_plain)).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_shortened_and_any_other_name_is_not() {
        let short =
            |commit: &str, dirty| Provenance { commit: Some(commit.to_owned()), dirty, ..Provenance::default() };
        assert_eq!(short(&"ab".repeat(20), false).short_commit().as_deref(), Some("abababababab"));
        assert_eq!(short(&"ab".repeat(20), true).short_commit().as_deref(), Some("abababababab with changes"));
        assert_eq!(
            short("release-für-alle-und-jeden-auf-der-ganzen-welt", false).short_commit().map(|it| it.len()),
            Some(47)
        );
        assert_eq!(Provenance::default().short_commit(), None);
    }

    #[test]
    fn only_an_address_of_the_web_is_a_link() {
        let link =
            |url: &str| Provenance { job_url: Some(url.to_owned()), ..Provenance::default() }.job_link().is_some();
        assert!(link("https://ci.example/group/project/-/jobs/7?a=b#c"));
        for url in ["javascript:alert(1)", "https://a/<b>", "https://a/)[x](b", "https://a/\"b", "file:///etc/passwd"] {
            assert!(!link(url), "{url}");
        }
    }
}
