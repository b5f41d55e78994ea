//! Basic blocks, decoded once and kept until their code is written.

use crate::decode::{Kind, Op, decode, is_long};
use crate::memory::{Memory, Stale};
use std::collections::{HashMap, HashSet};

/// How many instructions a block has at most.
const LONGEST: usize = 64;
/// How many operations are kept before all are dropped: those of dropped blocks take room too.
const MOST_OPS: usize = 1 << 20;
/// How many blocks are found without hashing; a power of two.
const RECENT: usize = 1 << 13;

/// A decoded basic block: a part of the cache's operations.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    /// Its address; bit 0 is set if the trap there is passed.
    key: u32,
    start: u32,
    len: u32,
    /// How many instructions it has: not all operations are one.
    pub(super) instructions: u32,
}

/// No instruction can be fetched from an address.
pub(super) struct NoCode;

/// All decoded blocks, and the addresses that end them because they are the embedder's.
#[derive(Debug)]
pub(super) struct Cache {
    ops: Vec<Op>,
    blocks: HashMap<u32, Block>,
    /// The block met last for some bits of the address.
    recent: Box<[Block; RECENT]>,
    /// The keys of blocks by page of the banks.
    pages: HashMap<u32, Vec<u32>>,
    traps: HashSet<u32>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            ops: Vec::new(),
            blocks: HashMap::new(),
            recent: Box::new([Block::default(); RECENT]),
            pages: HashMap::new(),
            traps: HashSet::new(),
        }
    }

    pub(super) fn trap(&mut self, address: u32) {
        if self.traps.insert(address & !1) {
            self.clear();
        }
    }

    pub(super) fn untrap(&mut self, address: u32) {
        if self.traps.remove(&(address & !1)) {
            self.clear();
        }
    }

    /// The operations of a block.
    #[inline]
    pub(super) fn ops(&self, block: Block) -> &[Op] {
        &self.ops[block.start as usize..][..block.len as usize]
    }

    /// The block with this key, decoded if need be.
    #[inline]
    pub(super) fn block(&mut self, key: u32, memory: &mut Memory) -> Result<Block, NoCode> {
        let recent = self.recent[slot(key)];
        if recent.key == key && recent.len != 0 {
            return Ok(recent);
        }
        self.find(key, memory)
    }

    #[cold]
    fn find(&mut self, key: u32, memory: &mut Memory) -> Result<Block, NoCode> {
        let block = match self.blocks.get(&key) {
            Some(block) => *block,
            None => self.decode(key, memory)?,
        };
        self.recent[slot(key)] = block;
        Ok(block)
    }

    fn decode(&mut self, key: u32, memory: &mut Memory) -> Result<Block, NoCode> {
        if self.ops.len() > MOST_OPS {
            self.clear();
        }
        let start = self.ops.len();
        self.decode_ops(key, memory);
        let len = self.ops.len() - start;
        if len == 0 {
            return Err(NoCode);
        }
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let added = self.ops.last().is_some_and(|op| matches!(op.kind, Kind::Next | Kind::Host));
        let instructions = small(len - usize::from(added));
        let block = Block { key, start: small(start), len: small(len), instructions };
        self.blocks.insert(key, block);
        Ok(block)
    }

    /// Appends the operations of the block with this key; none if nothing can be fetched there.
    fn decode_ops(&mut self, key: u32, memory: &mut Memory) {
        let (first, passed) = (key & !1, key & 1 == 1);
        let start = self.ops.len();
        let mut pc = first;
        while self.ops.len() - start < LONGEST {
            if self.traps.contains(&pc) && !(passed && pc == first) {
                break;
            }
            let Some(word) = fetch(memory, pc) else { break };
            let op = decode(word, pc);
            let len = if is_long(word) { 4 } else { 2 };
            self.note(key, pc, len, memory);
            self.ops.push(op);
            if op.kind.ends_block() {
                return;
            }
            pc = pc.wrapping_add(len);
        }
        if pc != first {
            self.ops.push(Op::plain(Kind::Next, pc, pc));
        } else if self.traps.contains(&pc) && !passed {
            self.ops.push(Op::plain(Kind::Host, pc, pc));
        }
    }

    /// Notes that the block with this key has an instruction there.
    fn note(&mut self, key: u32, pc: u32, len: u32, memory: &mut Memory) {
        for half in [pc, pc.wrapping_add(len - 2)] {
            let Some(page) = memory.decoded(half) else { continue };
            let keys = self.pages.entry(page).or_default();
            if keys.last() != Some(&key) {
                keys.push(key);
            }
        }
    }

    /// Drops the blocks whose code is no longer in memory.
    #[cold]
    pub(super) fn drop_stale(&mut self, memory: &mut Memory) {
        match memory.take_stale() {
            Stale::All => self.clear(),
            Stale::Pages(pages) => {
                for key in pages.iter().filter_map(|page| self.pages.remove(page)).flatten() {
                    self.blocks.remove(&key);
                    self.recent[slot(key)] = Block::default();
                }
            }
        }
    }

    fn clear(&mut self) {
        self.ops.clear();
        self.blocks.clear();
        self.pages.clear();
        self.recent.fill(Block::default());
    }
}

fn slot(key: u32) -> usize {
    (key >> 1) as usize & (RECENT - 1)
}

/// The instruction at an address, with what follows it if it is compressed.
fn fetch(memory: &Memory, pc: u32) -> Option<u32> {
    let low = memory.fetch(pc)?;
    if !is_long(low) {
        return Some(low);
    }
    Some(low | memory.fetch(pc.wrapping_add(2))? << 16)
}
