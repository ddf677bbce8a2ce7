//! One package's dependencies, as `cargo tree` prints them.
//!
//! `cargo metadata` is easier to parse but answers another question: it resolves the whole workspace
//! at once, so a feature that one member or a test turns on shows up on everybody. `cargo tree -p`
//! with normal edges resolves as cargo would for a stranger who depends on that one package, and the
//! absence of a crate there is the promise that these rules make.

use super::rules::Features;
use crate::report::Failure;
use crate::shell::Shell;
use crate::workspace::Workspace;

/// The lines of `cargo tree --prefix depth`, in its order: parents before their children.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

/// One line.
#[derive(Debug)]
pub(crate) struct Node {
    depth: usize,
    /// The package's name.
    pub(crate) name: String,
    /// The package's version.
    pub(crate) version: String,
    features: Vec<String>,
}

impl Tree {
    /// Asks cargo for the normal dependencies of `package`, for every target platform.
    ///
    /// # Errors
    ///
    /// If cargo fails, or prints lines of another form.
    pub(crate) fn read(
        workspace: &Workspace,
        package: &str,
        features: Features,
    ) -> Result<Self, Failure> {
        let flags = features.flags();
        let command = Shell::cargo(&format!(
            "tree --locked -p {package} {flags} -e normal --target all --prefix depth -f {{p}}|{{f}}"
        ));
        let listing = command.read(&workspace.root)?;
        Self::parse(&listing)
            .map_err(|line| Failure::new(format!("not understood: {line}"), command.typed()))
    }

    /// Reads the listing; the error is the line that is not understood.
    pub(crate) fn parse(listing: &str) -> Result<Self, String> {
        let lines = listing.lines().filter(|line| !line.is_empty());
        let nodes = lines.map(|line| Node::parse(line).ok_or_else(|| line.to_owned()));
        Ok(Self {
            nodes: nodes.collect::<Result<_, _>>()?,
        })
    }

    /// All packages in it; one that several others need may come more than once.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How the root comes to depend on the package `name`, as `root -> ... -> name version`.
    pub(crate) fn path_to(&self, name: &str) -> Option<String> {
        self.path(|node| node.name == name)
    }

    /// The same, for the package `name` with `feature` turned on.
    pub(crate) fn path_to_feature(&self, name: &str, feature: &str) -> Option<String> {
        self.path(|node| node.name == name && node.features.iter().any(|on| on == feature))
    }

    fn path(&self, wanted: impl Fn(&Node) -> bool) -> Option<String> {
        // The first line is the package itself, which no rule about its dependencies means.
        let found = self
            .nodes
            .iter()
            .enumerate()
            .skip(1)
            .find(|(_, node)| wanted(node))?
            .0;
        let mut names = vec![format!(
            "{} {}",
            self.nodes[found].name, self.nodes[found].version
        )];
        let mut depth = self.nodes[found].depth;
        for node in self.nodes[..found].iter().rev() {
            if node.depth < depth {
                depth = node.depth;
                names.push(node.name.clone());
            }
        }
        names.reverse();
        Some(names.join(" -> "))
    }
}

impl Node {
    /// Parses `2tokio v1.54.1 (proc-macro)|rt,sync (*)`.
    fn parse(line: &str) -> Option<Self> {
        let digits = line.find(|c: char| !c.is_ascii_digit())?;
        let depth = line[..digits].parse().ok()?;
        let (package, features) = line[digits..].split_once('|')?;
        let mut words = package.split(' ');
        let name = words.next()?.to_owned();
        let version = words.next()?.strip_prefix('v')?.to_owned();
        let features = features
            .trim_end_matches(" (*)")
            .split(',')
            .map(str::to_owned)
            .collect();
        Some(Self {
            depth,
            name,
            version,
            features,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_form_are_read() {
        let tree = Tree::parse(
            "0a v0.1.0 (/some where/a)|serde\n1b v1.2.3 (proc-macro)|\n2c v0.1.0|x,y (*)\n",
        )
        .unwrap();
        let read: Vec<_> = tree
            .nodes()
            .iter()
            .map(|n| (n.name.as_str(), n.depth))
            .collect();
        assert_eq!(read, [("a", 0), ("b", 1), ("c", 2)]);
        assert_eq!(tree.nodes()[2].features, ["x", "y"]);
    }

    #[test]
    fn a_line_of_another_form_is_refused() {
        assert_eq!(
            Tree::parse("0a v0.1.0|\nwarning: hm\n").unwrap_err(),
            "warning: hm"
        );
    }

    #[test]
    fn the_package_itself_is_not_one_of_its_dependencies() {
        let tree = Tree::parse("0a v0.1.0|\n1b v0.1.0|\n").unwrap();
        assert_eq!(tree.path_to("a"), None);
        assert_eq!(tree.path_to("b").unwrap(), "a -> b 0.1.0");
    }

    #[test]
    fn the_path_skips_siblings() {
        let tree = Tree::parse("0a v0.1.0|\n1b v0.1.0|\n2c v0.1.0|\n1d v0.1.0|\n2e v0.2.0|\n");
        assert_eq!(tree.unwrap().path_to("e").unwrap(), "a -> d -> e 0.2.0");
    }
}
