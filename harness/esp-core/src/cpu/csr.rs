//! Control and status registers.

use std::collections::BTreeMap;

use super::triggers::{TCONTROL, TDATA3, TSELECT, Triggers};

pub(super) const MSTATUS: u32 = 0x300;
const MISA: u32 = 0x301;
const MTVEC: u32 = 0x305;
const MSCRATCH: u32 = 0x340;
const MEPC: u32 = 0x341;
const MCAUSE: u32 = 0x342;
const MTVAL: u32 = 0x343;
/// The cycle counter.
pub(super) const CYCLES: u32 = 0x7e2;

/// Interrupts are on.
pub(super) const MIE: u32 = 1 << 3;
/// They were, before the trap.
const MPIE: u32 = 1 << 7;
/// The mode before the trap: always machine mode.
const MPP: u32 = 3 << 11;

/// The number or contents of a register, or an illegal instruction.
pub(super) struct NoRegister;

/// All registers but those that need the bus.
#[derive(Clone, Debug)]
pub(super) struct Csrs {
    pub(super) mstatus: u32,
    mtvec: u32,
    pub(super) mscratch: u32,
    pub(super) mepc: u32,
    pub(super) mcause: u32,
    pub(super) mtval: u32,
    pub(super) triggers: Triggers,
    /// Registers whose value has no effect here, by number.
    others: BTreeMap<u32, u32>,
}

impl Csrs {
    /// As the boot loader leaves them: it hands over with interrupts on, and nothing in an app turns them on.
    pub(super) fn at_entry() -> Self {
        let (triggers, others) = (Triggers::default(), BTreeMap::new());
        Self { mstatus: MPP | MIE, mtvec: 0, mscratch: 0, mepc: 0, mcause: 0, mtval: 0, triggers, others }
    }

    pub(super) fn interrupts_enabled(&self) -> bool {
        self.mstatus & MIE != 0
    }

    /// Enters a trap; where its handler is. Each interrupt has an entry in the table, exceptions have the first.
    pub(super) fn trap(&mut self, cause: u32, value: u32, pc: u32) -> u32 {
        (self.mepc, self.mcause, self.mtval) = (pc, cause, value);
        let enabled = self.mstatus & MIE;
        self.mstatus = MPP | enabled << 4 | self.mstatus & !(MIE | MPIE);
        self.triggers.trap();
        let table = self.mtvec & !0xff;
        if cause >> 31 == 1 { table.wrapping_add(4 * (cause & 31)) } else { table }
    }

    /// Leaves a trap; where the program goes on.
    pub(super) fn leave(&mut self) -> u32 {
        self.triggers.leave();
        let before = self.mstatus & MPIE;
        self.mstatus = MPIE | before >> 4 | self.mstatus & !MIE;
        self.mepc
    }

    pub(super) fn read(&self, number: u32) -> Result<u32, NoRegister> {
        Ok(match number {
            MSTATUS => self.mstatus,
            MISA => 0x4010_1104,
            // Vectored is the only mode.
            MTVEC => self.mtvec | 1,
            MSCRATCH => self.mscratch,
            MEPC => self.mepc,
            MCAUSE => self.mcause,
            MTVAL => self.mtval,
            // Who made the core, which, which version of it, and which core of the chip it is.
            0xf11 => 0x0612,
            0xf12 => 0x8000_0001,
            0xf13 => 1,
            0xf14 => 0,
            TSELECT..=TDATA3 | TCONTROL => self.triggers.read(number),
            _ => self.others.get(&other(number)?).copied().unwrap_or(0),
        })
    }

    pub(super) fn write(&mut self, number: u32, value: u32) -> Result<(), NoRegister> {
        match number {
            MSTATUS => self.mstatus = MPP | value & (MIE | MPIE),
            MISA => {}
            MTVEC => self.mtvec = value & !0xff,
            MSCRATCH => self.mscratch = value,
            MEPC => self.mepc = value & !1,
            MCAUSE => self.mcause = value & (1 << 31 | 31),
            MTVAL => self.mtval = value,
            // The two upper bits say that a register is only for reading.
            0xc00.. => return Err(NoRegister),
            TSELECT..=TDATA3 | TCONTROL => self.triggers.write(number, value),
            _ => drop(self.others.insert(other(number)?, value)),
        }
        Ok(())
    }
}

/// The number of a register that only remembers.
fn other(number: u32) -> Result<u32, NoRegister> {
    match number {
        // Physical memory protection, performance counters, GPIO.
        0x3a0..=0x3a3 | 0x3b0..=0x3bf | 0x7e0..=CYCLES | 0x803..=0x805 => Ok(number),
        _ => Err(NoRegister),
    }
}
