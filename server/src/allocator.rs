//! The allocator. Series come and go by the million: it must give their memory back, and not fragment over months.
#![expect(unsafe_code, reason = "the allocator finds its settings under a name of the linker's")]

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Freed pages go back to the system after a second, not ten, by threads of the allocator's own: what a flush or a merge
/// needed for a moment must not stay for ever where nothing is allocated any more.
const SETTINGS: &str = "dirty_decay_ms:1000,muzzy_decay_ms:0,background_thread:true\0";

// SAFETY: the allocator reads a C string under this name when the process starts, which this is, and nobody else has a
// symbol of the name.
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: Pointer = Pointer(SETTINGS.as_ptr());

/// A pointer that is never written through.
#[repr(transparent)]
struct Pointer(*const u8);

// SAFETY: it points to bytes that never change.
unsafe impl Sync for Pointer {}
