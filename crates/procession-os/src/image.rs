//! The running executable: its identity, and which addresses lie in its constants.
//!
//! Two processes of one executable have its parts at different addresses but at the same offsets
//! from the image's base. An offset that came from elsewhere is worth nothing until [`Image::constant`]
//! has found it inside the image's own constants. What the program can write is none of them: whoever writes
//! there, safe code with a static of atomics for example, says nothing about the executable.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

/// The executable that this process runs.
#[derive(Debug)]
pub struct Image {
    base: usize,
    constants: Vec<Range<usize>>,
    identity: u64,
    through_loader: bool,
}

/// Returns the image of the executable.
pub fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(Image::load)
}

impl Image {
    fn load() -> Self {
        let mut found = Found::default();
        // SAFETY: `first_object` matches the callback's type and `found` outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(first_object), (&raw mut found).cast()) };
        let identity = found.build_id.map_or_else(hash_of_file, |id| hash(&id));
        Self {
            base: found.base,
            constants: found.constants,
            identity,
            through_loader: found.names_loader && !has_loader(),
        }
    }

    /// Returns whether this program was started as an argument of the dynamic loader, as in
    /// `ld-linux.so ./program`. Then `/proc/self/exe` is the loader.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!procession_os::image::image().is_through_loader());
    /// ```
    pub fn is_through_loader(&self) -> bool {
        self.through_loader
    }

    /// Returns a number that is equal in all processes of this build and no other: a hash of the
    /// linker's build id, or of the whole file if it has none.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Returns the offset of `thing` from the image's base; `None` if it is not among the
    /// image's constants, as what a dynamic library owns is not, nor what may change.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_os::image::image;
    ///
    /// use std::sync::atomic::AtomicU64;
    ///
    /// static IN_THE_IMAGE: u64 = 7;
    /// let offset = image().offset(&IN_THE_IMAGE).unwrap();
    /// assert_eq!(image().constant::<u64>(offset), Some(&raw const IN_THE_IMAGE));
    /// assert_eq!(image().offset(Box::leak(Box::new(7_u64))), None);
    ///
    /// static CHANGES: AtomicU64 = AtomicU64::new(7);
    /// assert_eq!(image().offset(&CHANGES), None);
    /// ```
    pub fn offset<T>(&self, thing: &'static T) -> Option<u64> {
        let address = ptr::from_ref(thing).addr();
        self.holds(address, size_of::<T>())
            .then(|| (address - self.base) as u64)
    }

    /// Returns the address at `offset` if a whole, aligned `T` of the image's constants fits there.
    ///
    /// What is found there may be any bytes that the compiler and the linker have put into the executable,
    /// and is not written by anybody.
    pub fn constant<T>(&self, offset: u64) -> Option<*const T> {
        let address = self.base.checked_add(usize::try_from(offset).ok()?)?;
        let fits = address.is_multiple_of(align_of::<T>()) && self.holds(address, size_of::<T>());
        fits.then(|| ptr::with_exposed_provenance(address))
    }

    fn holds(&self, address: usize, len: usize) -> bool {
        let Some(end) = address.checked_add(len) else {
            return false;
        };
        self.constants
            .iter()
            .any(|range| range.start <= address && end <= range.end)
    }
}

#[derive(Default)]
struct Found {
    base: usize,
    constants: Vec<Range<usize>>,
    build_id: Option<Vec<u8>>,
    /// Whether its file says which loader is to load it.
    names_loader: bool,
}

/// Returns whether the kernel loaded a loader beside the executable. It did not if it was told to
/// run the loader itself.
fn has_loader() -> bool {
    // SAFETY: the call only looks a number up in a table that the kernel made.
    unsafe { libc::getauxval(libc::AT_BASE) != 0 }
}

/// Looks at the first object that the loader reports, which is the executable, and stops.
extern "C" fn first_object(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid object.
    let info = unsafe { &*info };
    // SAFETY: `Image::load` passes a `Found` and uses it only after the call.
    let found = unsafe { &mut *found.cast::<Found>() };
    // SAFETY: the loader's program headers are an array of this length.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    found.base = info.dlpi_addr as usize;
    for header in headers {
        found.add(header);
    }
    1
}

impl Found {
    fn add(&mut self, header: &libc::Elf64_Phdr) {
        let start = self.base + header.p_vaddr as usize;
        let range = start..start + header.p_filesz as usize;
        match header.p_type {
            libc::PT_LOAD if header.p_flags == libc::PF_R => self.constants.push(range),
            // What has addresses in it, which the loader has put there, before it took the right to write from
            // all whole pages.
            libc::PT_GNU_RELRO => {
                let end = start + header.p_memsz as usize;
                self.constants.push(start..end - end % page_size());
            }
            libc::PT_INTERP => self.names_loader = true,
            libc::PT_NOTE if self.build_id.is_none() => self.build_id = build_id(range),
            _ => {}
        }
    }
}

fn page_size() -> usize {
    // SAFETY: the call only looks a number up in a table that the kernel made.
    unsafe { libc::getauxval(libc::AT_PAGESZ) as usize }
}

/// Finds the GNU build id among the notes at `range`: each is two lengths, a type, the owner's
/// name and the content, both padded to four bytes.
fn build_id(range: Range<usize>) -> Option<Vec<u8>> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let start = NonNull::new(ptr::with_exposed_provenance_mut::<u8>(range.start))?;
    // SAFETY: the loader mapped this range of the executable, and it stays mapped.
    let mut notes = unsafe { std::slice::from_raw_parts(start.as_ptr(), range.len()) };
    while let Some((header, rest)) = notes.split_first_chunk::<12>() {
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (name_len, len) = (word(0) as usize, word(4) as usize);
        let content_at = name_len.next_multiple_of(4);
        let content = rest.get(content_at..content_at + len)?;
        if word(8) == NT_GNU_BUILD_ID && rest.starts_with(b"GNU\0") {
            return Some(content.to_vec());
        }
        notes = rest.get(content_at + len.next_multiple_of(4)..)?;
    }
    None
}

fn hash_of_file() -> u64 {
    std::fs::read("/proc/self/exe").map_or(0, |bytes| hash(&bytes))
}

/// FNV-1a over eight bytes at a time, which is what makes a large file bearable.
fn hash(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
