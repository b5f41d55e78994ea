//! The modules of a crate as its source declares them, without those of its tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// The names that lead to a module; none for the crate's root.
pub(crate) type ModulePath = Vec<String>;

/// A crate's own modules.
#[derive(Default)]
pub(crate) struct Source {
    /// The folder of all crates.
    crates: PathBuf,
    pub(crate) modules: BTreeMap<ModulePath, Module>,
    /// How many lines each function has, without those of tests.
    pub(crate) functions: Vec<usize>,
}

/// What a module declares and names.
#[derive(Default)]
pub(crate) struct Module {
    /// Below the folder of all crates.
    pub(crate) file: PathBuf,
    pub(crate) lines: usize,
    pub(crate) children: BTreeSet<String>,
    /// What each `use` brings in, by its name here.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    /// Every path of two names or more, those of `use` included.
    pub(crate) mentions: Vec<Mention>,
}

/// A path that a module names.
#[derive(Clone)]
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

impl Source {
    /// Reads the library of the crate in this folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let crates = folder.parent().unwrap_or(folder).to_owned();
        let mut source = Self { crates, ..Self::default() };
        source.read_file(Vec::new(), &folder.join("src/lib.rs"), &folder.join("src"));
        source
    }

    fn read_file(&mut self, module: ModulePath, file: &Path, children: &Path) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let file = file.strip_prefix(&self.crates).unwrap_or(file).to_owned();
        self.read_items(module, &parsed.items, (&file, text.lines().count()), children);
    }

    fn read_items(&mut self, module: ModulePath, items: &[syn::Item], (file, lines): (&Path, usize), children: &Path) {
        let found = Module { file: file.to_owned(), lines, ..Module::default() };
        let mut reader = Reader { source: self, name: module.clone(), module: found, children };
        items.iter().for_each(|item| reader.visit_item(item));
        let read = reader.module;
        self.modules.insert(module, read);
    }
}

/// Reads one module; the modules in it are read on the way.
struct Reader<'a> {
    source: &'a mut Source,
    name: ModulePath,
    module: Module,
    /// Where the files of its children are.
    children: &'a Path,
}

impl Reader<'_> {
    fn mention(&mut self, path: Vec<String>, line: usize) {
        if path.len() > 1 {
            self.module.mentions.push(Mention { path, line });
        }
    }

    fn import(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.import(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(before, tree)),
            syn::UseTree::Glob(glob) => self.mention(before.to_vec(), glob.span().start().line),
            syn::UseTree::Name(name) if name.ident == "self" => self.name_import(before.to_vec(), before.last(), name),
            syn::UseTree::Name(name) => self.name_import(with(&name.ident), Some(&name.ident.to_string()), name),
            syn::UseTree::Rename(rename) => {
                self.name_import(with(&rename.ident), Some(&rename.rename.to_string()), rename);
            }
        }
    }

    fn name_import(&mut self, path: Vec<String>, name: Option<&String>, at: &impl syn::spanned::Spanned) {
        self.module.imports.extend(name.map(|name| (name.clone(), path.clone())));
        self.mention(path, at.span().start().line);
    }

    /// Paths in the arguments of macros and attributes, which are not parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.mention(std::mem::take(&mut path), line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.mention(std::mem::take(&mut path), line);
                    self.tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.mention(std::mem::take(&mut path), line),
            }
        }
        self.mention(path, line);
    }

    fn function(&mut self, node: &impl syn::spanned::Spanned) {
        let span = node.span();
        self.source.functions.push(span.end().line - span.start().line + 1);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        let path: Vec<_> = self.name.iter().cloned().chain([name.clone()]).collect();
        let below = self.children.join(&name);
        match &item.content {
            Some((_, items)) => self.source.read_items(path, items, (&self.module.file, self.module.lines), &below),
            None => {
                let beside = self.children.join(format!("{name}.rs"));
                let file = if beside.is_file() { beside } else { below.join("mod.rs") };
                self.source.read_file(path, &file, &below);
            }
        }
        self.module.children.insert(name);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.mention(names, path.span().start().line);
        }
        visit::visit_path(self, path);
    }

    /// `pub(in …)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(function);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            self.function(function);
            visit::visit_impl_item_fn(self, function);
        }
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let needs_test = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => names_test(list.tokens.clone()),
        _ => false,
    };
    attributes.iter().any(needs_test)
}

/// `test`, or `all(test, …)`; not `not(test)`.
fn names_test(tokens: TokenStream) -> bool {
    let tokens: Vec<_> = tokens.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name), TokenTree::Group(group), ..] if name == "all" || name == "any" => {
            names_test(group.stream())
        }
        [TokenTree::Ident(name), ..] => name == "test",
        _ => false,
    }
}
