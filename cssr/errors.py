"""What errors say to users."""

# what PyTorch, oneDNN, OpenCV, onnxruntime and Python's threads say when the machine or the GPU has
# no memory left
NO_MEMORY = (
    "can't allocate memory",
    "bad_alloc",
    "could not create a memory",
    "could not create a primitive",
    "out of memory",
    "ALLOC_FAILED",
    "Failed to allocate memory",
    "Insufficient memory",
    "can't start new thread",
)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that memory does not suffice."""
    if isinstance(error, MemoryError) or any(say in str(error) for say in NO_MEMORY):
        return True
    earlier = error.__cause__ or error.__context__
    return earlier is not None and ran_out_of_memory(earlier)


def os_error_line(error: OSError) -> str:
    """The file and what is wrong with it, on one line."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{' '.join(str(error.strerror or error).split())}"
