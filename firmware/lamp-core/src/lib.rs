//! The lamp's logic, shared by the virtual board and the firmware
