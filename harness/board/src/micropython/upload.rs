//! Updates the files of a board; those that are up to date stay untouched.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hil_timeline::FlashPhase;
use sha2::{Digest as _, Sha256};

use super::prepare::Script;
use super::raw_repl::{RawRepl, ReplError};

/// What an upload did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Uploaded {
    /// Bytes that were sent.
    pub(crate) written: usize,
    /// Bytes that were there.
    pub(crate) skipped: usize,
    pub(crate) took: Duration,
}

/// Bytes of a file in one piece of code: what an ESP8266 still finds memory for.
const PIECE: usize = 1024;

/// Names of earlier uploads are kept here, so that what a firmware no longer has can be removed.
const MANIFEST: &str = "/.hil-files";

/// Short names: the code is sent over a slow line. Each file is written beside the old one and takes its place when it
/// is whole.
const TOOLS: &str = "
import os
try:
 import hashlib as _H
except ImportError:
 import uhashlib as _H
try:
 from binascii import hexlify as _X,a2b_base64 as _B
except ImportError:
 from ubinascii import hexlify as _X,a2b_base64 as _B
def _S(p):
 try:
  f=open(p,'rb')
 except OSError:
  return '-'
 h=_H.sha256()
 b=bytearray(512)
 while 1:
  n=f.readinto(b)
  if not n:
   break
  h.update(memoryview(b)[:n])
 f.close()
 return _X(h.digest()).decode()
def _R(p):
 try:
  os.remove(p)
 except OSError:
  pass
def _D(p):
 try:
  os.mkdir(p)
 except OSError:
  pass
def _O():
 global _f
 _f=open('/.hil-part','wb')
def _W(d):
 _f.write(_B(d))
def _C():
 _f.close()
 print(_S('/.hil-part'))
def _M(p):
 _R(p)
 os.rename('/.hil-part',p)
";

/// Uploads what differs. The board is left in its raw REPL.
pub(crate) async fn upload(
    repl: &mut RawRepl,
    scripts: &[Script],
    progress: &(dyn Fn(FlashPhase) + Send + Sync),
) -> Result<Uploaded, ReplError> {
    let start = Instant::now();
    repl.run(TOOLS).await?;
    let changed = changed(repl, scripts).await?;
    let total: usize = changed.iter().map(|script| script.contents.len()).sum();
    let all: usize = scripts.iter().map(|script| script.contents.len()).sum();
    forget_what_is_gone(repl, scripts).await?;
    for folder in folders(&changed) {
        repl.run(&format!("_D({})", literal(&folder))).await?;
    }
    let mut done = 0;
    for script in changed {
        progress(FlashPhase::File { path: script.path.clone(), size: script.contents.len() });
        repl.run("_O()").await?;
        for piece in script.contents.chunks(PIECE) {
            repl.run(&format!("_W(b'{}')", BASE64.encode(piece))).await?;
            done += piece.len();
            progress(FlashPhase::Progress { done, total });
        }
        let stored = repl.run("_C()").await?;
        if stored.trim() != digest(&script.contents) {
            return Err(ReplError::Garbled(script.path.clone()));
        }
        repl.run(&format!("_M({})", literal(&format!("/{}", script.path)))).await?;
    }
    Ok(Uploaded { written: total, skipped: all - total, took: start.elapsed() })
}

/// The scripts whose file is another one, or none.
async fn changed<'a>(repl: &mut RawRepl, scripts: &'a [Script]) -> Result<Vec<&'a Script>, ReplError> {
    let paths: String = scripts.iter().map(|script| format!("{},", literal(&format!("/{}", script.path)))).collect();
    let found = repl.run(&format!("for _p in ({paths}):\n print(_S(_p))")).await?;
    let differs = |(script, found): &(&Script, &str)| *found != digest(&script.contents);
    Ok(scripts
        .iter()
        .zip(found.lines().chain(std::iter::repeat("-")))
        .filter(differs)
        .map(|(script, _)| script)
        .collect())
}

/// Removes what an earlier firmware brought and this one does not have. Files that `hil` did not bring stay.
async fn forget_what_is_gone(repl: &mut RawRepl, scripts: &[Script]) -> Result<(), ReplError> {
    let read = format!("try:\n print(open('{MANIFEST}').read())\nexcept OSError:\n pass");
    let before = repl.run(&read).await?;
    let before: BTreeSet<&str> = before.lines().filter(|line| !line.is_empty()).collect();
    let now: BTreeSet<&str> = scripts.iter().map(|script| script.path.as_str()).collect();
    if before == now {
        return Ok(());
    }
    // Written before anything changes: an interrupted upload leaves no file that is not listed.
    let write = async |repl: &mut RawRepl, names: &BTreeSet<&str>| {
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        let code = format!("_f=open('{MANIFEST}','w')\n_f.write({})\n_f.close()", literal(&text));
        repl.run(&code).await
    };
    write(repl, &before.union(&now).copied().collect()).await?;
    for gone in before.difference(&now) {
        repl.run(&format!("_R({})", literal(&format!("/{gone}")))).await?;
    }
    write(repl, &now).await?;
    Ok(())
}

/// Every folder that is needed, the outer ones first.
fn folders(scripts: &[&Script]) -> BTreeSet<String> {
    let of = |script: &&Script| {
        let path = &script.path;
        path.match_indices('/').map(|(at, _)| format!("/{}", &path[..at])).collect::<Vec<_>>()
    };
    scripts.iter().flat_map(of).collect()
}

/// A text as Python writes it.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => literal.extend(['\\', c]),
            c if c.is_control() => literal.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

fn digest(contents: &[u8]) -> String {
    hex::encode(Sha256::digest(contents))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_for_python() {
        assert_eq!(literal("a'b\\c\n°"), r"'a\'b\\c\x0a°'");
    }

    #[test]
    fn outer_folders_come_before_inner_ones() {
        let script = |path: &str| Script { path: path.to_owned(), contents: Vec::new() };
        let (a, b) = (script("lib/net/wifi.py"), script("main.py"));
        assert_eq!(folders(&[&a, &b]).into_iter().collect::<Vec<_>>(), ["/lib", "/lib/net"]);
    }
}
