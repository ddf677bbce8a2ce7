//! The workspace as the checks see it: its members, which of them are published, and what every
//! package in the lock file says of itself. Read once, from `cargo metadata`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::report::Failure;
use crate::shell::Shell;

/// What `cargo metadata` knows and the checks need.
pub(crate) struct Workspace {
    /// The directory of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// The members, by name.
    pub(crate) members: Vec<Member>,
    /// The declared `rust-version` of every package in the lock file, by name and version.
    pub(crate) rust_versions: BTreeMap<(String, String), String>,
}

/// One package of the workspace.
pub(crate) struct Member {
    /// The package's name.
    pub(crate) name: String,
    /// The directory of its `Cargo.toml`.
    pub(crate) dir: PathBuf,
    /// Its features, without `default`.
    pub(crate) features: Vec<String>,
    /// Whether it may be published; `publish = false` says no.
    pub(crate) published: bool,
    /// Whether it has Criterion benches.
    pub(crate) has_benches: bool,
    /// Its `rust-version`.
    pub(crate) rust_version: Option<String>,
}

impl Workspace {
    /// Reads the workspace that this program was built from.
    ///
    /// # Errors
    ///
    /// If cargo cannot read it, or if `Cargo.lock` does not match the manifests.
    pub(crate) fn load() -> Result<Self, Failure> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let command = Shell::cargo("metadata --format-version 1 --locked");
        let json = command.read(here)?;
        let bad = |what: &str| {
            Failure::new(
                format!("cargo metadata: {what}"),
                "cargo metadata --format-version 1",
            )
        };
        let metadata: Value = serde_json::from_str(&json).map_err(|e| bad(&e.to_string()))?;
        Self::from_metadata(&metadata).ok_or_else(|| bad("a field is missing"))
    }

    /// The members that may be published, by name.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.published)
    }

    /// A path as a person would write it: relative to the root, with forward slashes.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.to_string_lossy().replace('\\', "/")
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let ids = metadata["workspace_members"].as_array()?;
        let mut members = Vec::new();
        let mut rust_versions = BTreeMap::new();
        for package in metadata["packages"].as_array()? {
            let name = package["name"].as_str()?.to_owned();
            if ids.contains(&package["id"]) {
                members.push(Member::from_metadata(package)?);
            } else if let Some(rust_version) = package["rust_version"].as_str() {
                let version = package["version"].as_str()?.to_owned();
                rust_versions.insert((name, version), rust_version.to_owned());
            }
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let root = PathBuf::from(metadata["workspace_root"].as_str()?);
        Some(Self {
            root,
            members,
            rust_versions,
        })
    }
}

impl Member {
    fn from_metadata(package: &Value) -> Option<Self> {
        let name = package["name"].as_str()?.to_owned();
        let dir = Path::new(package["manifest_path"].as_str()?)
            .parent()?
            .to_owned();
        let features = package["features"]
            .as_object()?
            .keys()
            .filter(|feature| *feature != "default")
            .cloned()
            .collect();
        // Absent or null means "any registry"; `publish = false` arrives as an empty list.
        let published = package["publish"]
            .as_array()
            .is_none_or(|list| !list.is_empty());
        let has_benches = package["targets"].as_array()?.iter().any(|target| {
            target["kind"]
                .as_array()
                .is_some_and(|kinds| kinds.iter().any(|kind| kind == "bench"))
        });
        let rust_version = package["rust_version"].as_str().map(str::to_owned);
        Some(Self {
            name,
            dir,
            features,
            published,
            has_benches,
            rust_version,
        })
    }
}
