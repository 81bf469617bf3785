//! Rules of the house that compilers do not check, for every file of the repository.
//!
//! * `source` - what is code in a file, and where functions and modules are
//!
//! A rule returns its violations, one line each; the test that runs it shows them all.

#![expect(clippy::disallowed_methods, reason = "the subject is the repository's own files")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::LazyLock,
};

mod source;

use source::{close_of, code_only, functions, modules};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// Functions that are longer, as `path function lines`. May only shrink.
const LONG_FUNCTIONS: &str = include_str!("tidy/long_functions.txt");
/// What a newcomer sees first, and all of it.
const TOP_LEVEL: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "docs",
    "engine",
    "formats",
    "proptest-regressions",
    "query",
    "server",
];
/// Made by builds and by running the server; git does not see them.
const NOT_OURS: [&str; 5] = ["target", "kymo-data", "corpus", "artifacts", "coverage"];
/// The packages, and which of them each may use.
const DIRECTION: [(&str, &[&str]); 5] = [
    ("formats", &[]),
    ("engine", &["formats"]),
    ("query", &["engine", "formats"]),
    ("server", &["engine", "formats", "query"]),
    ("benches", &["engine", "formats", "query", "server"]),
];
const FUZZ_CRATES: [&str; 2] = ["formats/fuzz", "query/fuzz"];

struct File {
    /// From the repository's root.
    path: PathBuf,
    text: String,
    code: String,
}

impl File {
    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files below `folder` with this extension, by path from the root.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with('.') || NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
        let file = |path: PathBuf| {
            let text = read(path.to_str().unwrap());
            File { path, code: code_only(&text), text }
        };
        files("", "rs").into_iter().map(file).collect()
    });
    &FILES
}

fn assert_none(violations: impl IntoIterator<Item = String>) {
    let violations: Vec<String> = violations.into_iter().collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = rust_files().iter().filter(|file| !file.text.starts_with("//! "));
    assert_none(silent.map(|file| format!("{}: does not begin with `//! `", file.name())));
}

#[test]
fn files_are_short() {
    let lines = rust_files().iter().map(|file| (file.text.lines().count(), file.name()));
    assert_none(
        lines.filter(|file| file.0 > FILE_LINES_MAX).map(|(lines, name)| format!("{name}: {lines} lines")),
    );
}

#[test]
fn functions_are_short() {
    let mut long = BTreeMap::new();
    for file in rust_files() {
        for (function, lines) in functions(&file.code) {
            if lines > FUNCTION_LINES_MAX {
                long.insert(format!("{} {function}", file.name()), lines);
            }
        }
    }
    let listed: BTreeMap<String, usize> = LONG_FUNCTIONS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (function, lines) = line.rsplit_once(' ').unwrap();
            (function.to_owned(), lines.parse().unwrap())
        })
        .collect();
    let longer =
        long.iter().filter(|(function, lines)| listed.get(*function).is_none_or(|listed| listed < lines));
    let longer =
        longer.map(|(function, lines)| format!("{function} {lines}: more than {FUNCTION_LINES_MAX} lines"));
    let shorter = listed.iter().filter(|(function, lines)| long.get(*function).is_none_or(|now| now < lines));
    let shorter =
        shorter.map(|(function, _)| format!("{function}: is shorter now, so that the list must be too"));
    assert_none(longer.chain(shorter));
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts, so that this file does not contain them.
    let in_code = [concat!("#[ig", "nore"), concat!("to", "do!"), concat!("unimple", "mented!")];
    let anywhere = concat!("FIX", "ME");
    assert_none(rust_files().iter().filter_map(|file| {
        let found = in_code.iter().find(|word| file.code.contains(**word));
        let found = found.copied().or(file.text.contains(anywhere).then_some(anywhere))?;
        Some(format!("{}: {found}", file.name()))
    }));
}

/// As a statement it checks nothing: the author meant to assert it.
#[test]
fn no_match_is_thrown_away() {
    assert_none(rust_files().iter().flat_map(|file| {
        let thrown_away = |at: usize| {
            let before = file.code[..at].trim_end().chars().next_back();
            let end = close_of(&file.code, at, b'(', b')')?;
            let after = file.code[end..].trim_start().chars().next();
            let statement = before.is_none_or(|c| ";{}".contains(c)) && after == Some(';');
            statement.then(|| format!("{}:{}", file.name(), file.code[..at].matches('\n').count() + 1))
        };
        file.code.match_indices("matches!(").filter_map(|(at, _)| thrown_away(at)).collect::<Vec<_>>()
    }));
}

#[test]
fn the_top_level_is_as_agreed() {
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name());
    let entries = entries.map(|name| name.to_string_lossy().into_owned());
    let agreed = |name: &String| {
        name.starts_with('.') || TOP_LEVEL.contains(&name.as_str()) || NOT_OURS.contains(&name.as_str())
    };
    assert_none(entries.filter(|name| !agreed(name)).map(|name| format!("{name}: not at the top")));
}

#[test]
fn packages_depend_in_one_direction() {
    assert_none(DIRECTION.iter().flat_map(|(package, allowed)| {
        let manifest = read(&format!("{package}/Cargo.toml"));
        let used =
            manifest.lines().filter_map(|line| line.strip_prefix("kymo-")?.split([' ', '.', '=']).next());
        // A package names itself for the features of its tests.
        let wrong = used.filter(|used| used != package && !allowed.contains(used));
        wrong.map(|used| format!("{package} must not depend on {used}")).collect::<Vec<_>>()
    }));
}

#[test]
fn every_file_is_compiled() {
    let files: BTreeMap<&Path, &File> = rust_files().iter().map(|file| (file.path.as_path(), file)).collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Path> = files.keys().copied().filter(|path| is_root(path)).collect();
    let mut missing = Vec::new();
    while let Some(path) = open.pop() {
        let file = files[path];
        for (name, at) in modules(&file.code, &file.text) {
            let places = places_of(path, &name, at.as_deref());
            match places.iter().find_map(|place| files.get_key_value(place.as_path())) {
                Some((place, _)) => open.push(place),
                None => missing.push(format!("{}: no file for module {name}", path.display())),
            }
        }
        reached.insert(path);
    }
    let unreached = files.keys().filter(|path| !reached.contains(*path));
    assert_none(unreached.map(|path| format!("{}: no `mod` leads to it", path.display())).chain(missing));
}

/// Whether cargo starts to compile at this file.
fn is_root(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
    match parts[..] {
        [.., "src", "lib.rs" | "main.rs"] => true,
        [.., "tests" | "examples", name] => name != "mod.rs",
        [.., "tests" | "examples", _, "main.rs"] => true,
        [.., "src", "bin", _] | [.., "fuzz_targets", _] => true,
        ["benches", "micro", _] => true,
        _ => false,
    }
}

/// Where the module `name` of the file `parent` may lie.
fn places_of(parent: &Path, name: &str, at: Option<&str>) -> Vec<PathBuf> {
    let beside = parent.parent().unwrap();
    if let Some(at) = at {
        return vec![normal(&beside.join(at))];
    }
    let stem = parent.file_stem().unwrap().to_str().unwrap();
    let folder = match is_root(parent) || stem == "mod" {
        true => beside.to_owned(),
        false => beside.join(stem),
    };
    vec![folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")]
}

/// Without `..`, as the files are named here.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path {
        if part == ".." {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

#[test]
fn every_fuzz_target_is_run() {
    for folder in FUZZ_CRATES {
        let targets: BTreeSet<String> = files(&format!("{folder}/fuzz_targets"), "rs")
            .iter()
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| name != "mod")
            .collect();
        let manifest = read(&format!("{folder}/Cargo.toml"));
        let programs = manifest.split("[[bin]]").skip(1).map(|bin| bin.split('"').nth(1).unwrap().to_owned());
        assert_eq!(programs.collect::<BTreeSet<_>>(), targets, "programs in {folder}/Cargo.toml");
        let smoke = read(&format!("{folder}/examples/smoke/main.rs"));
        let (_, list) = smoke.split_once("= targets! {").unwrap();
        let (list, _) = list.split_once('}').unwrap();
        let run: BTreeSet<String> = list.split_whitespace().map(str::to_owned).collect();
        assert_eq!(run, targets, "targets of {folder}/examples/smoke");
    }
}

#[test]
fn paths_in_documents_exist() {
    assert_none(files("", "md").iter().flat_map(|document| {
        let text = read(document.to_str().unwrap());
        let folder = document.parent().unwrap();
        let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let quoted = quoted.filter(|path| is_path(path)).map(PathBuf::from);
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let linked = linked.filter(|link| !link.is_empty() && !link.contains("://"));
        let linked = linked.map(|link| normal(&folder.join(link)));
        let missing = quoted.chain(linked).filter(|path| !root().join(path).exists());
        missing.map(|path| format!("{}: {}", document.display(), path.display())).collect::<Vec<_>>()
    }));
}

/// Whether the text names one file or folder of the repository: it begins with one at the top.
fn is_path(text: &str) -> bool {
    let Some((first, rest)) = text.split_once('/') else { return false };
    let plain = rest.chars().all(|c| c.is_alphanumeric() || "._-/".contains(c));
    plain && (first == ".ci" || TOP_LEVEL.contains(&first))
}
