# The decisions of traces that have been decided.


cdef uint64_t _SALT = int.from_bytes(os.urandom(8), "big") | 1  # senders choose ids, and must not know which share a place


cdef class _Table:
    """Words of 48 bits of key and 16 of number by open addressing, four fifths full at the most; 0 is an empty place."""

    cdef uint64_t *words
    cdef uint64_t mask
    cdef int shift
    cdef Py_ssize_t count, limit
    cdef list decisions
    cdef dict numbers

    def __cinit__(self, Py_ssize_t limit):
        cdef uint64_t size = 1
        self.shift = 64
        if not 0 < limit <= MOST_REMEMBERED:
            raise ValueError(f"{limit} decisions cannot be remembered, {MOST_REMEMBERED} can")
        while size <= <uint64_t>(limit * 5 // 4 + 1):
            size <<= 1
            self.shift -= 1
        self.limit = limit
        self.count = 0
        self.mask = size - 1
        self.decisions = []
        self.numbers = {}
        self.words = <uint64_t *>calloc(size, sizeof(uint64_t))
        if self.words == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.words)

    cdef inline int64_t find(self, uint64_t key) noexcept:
        """Return the number of a key's decision; -1 where none is remembered."""
        cdef uint64_t index = key * _SALT >> self.shift
        cdef uint64_t word = self.words[index]
        while word:
            if not (word ^ key) >> NUMBER_BITS:
                return word & NUMBER
            index = index + 1 & self.mask
            word = self.words[index]
        return -1

    cdef int put(self, uint64_t key, decision) except -1:
        """Remember; 0 where there is no room."""
        cdef uint64_t index, word
        cdef uint64_t number
        cdef PyObject *known = PyDict_GetItem(self.numbers, <object>PyLong_FromVoidPtr(<void *>decision))
        if known != NULL:
            number = <object>known
        else:
            number = len(self.decisions)
            if number > NUMBER:
                return 0
            self.numbers[<object>PyLong_FromVoidPtr(<void *>decision)] = number
            self.decisions.append(decision)
        index = key * _SALT >> self.shift
        word = self.words[index]
        while word and (word ^ key) >> NUMBER_BITS:
            index = index + 1 & self.mask
            word = self.words[index]
        if not word:
            if self.count >= self.limit:
                return 0
            self.count += 1
        self.words[index] = key | number
        return 1


cdef class DecisionCache:
    """Decisions by key of trace id: at least the last `limit` of them."""

    cdef Py_ssize_t limit
    cdef _Table now
    cdef _Table before

    def __cinit__(self, limit):
        self.limit = max(1, limit)
        self.now = _Table(self.limit)
        self.before = None

    def __len__(self):
        return self.now.count + (0 if self.before is None else self.before.count)

    cdef object get(self, uint64_t key):
        cdef int64_t number = self.now.find(key)
        if number >= 0:
            return self.now.decisions[number]
        if self.before is None:
            return None
        number = self.before.find(key)
        if number < 0:
            return None
        found = self.before.decisions[number]
        self.put(key, found)
        return found

    cdef int put(self, uint64_t key, decision) except -1:
        if not self.now.put(key, decision):
            self.before = self.now
            self.now = _Table(self.limit)
            self.now.put(key, decision)
        return 0

    def __getitem__(self, key):
        """Return the decision of a trace, by `key_of` its id; None where none is remembered."""
        return self.get(key)

    def __setitem__(self, key, decision):
        """Remember the decision of a trace, by `key_of` its id."""
        if not key or key & NUMBER:
            raise ValueError(f"{key:#x} is no key of a trace")
        self.put(key, decision)

    @property
    def longest(self):
        """The most words of the newer table that stand together, which is how many are looked at, at the worst."""
        cdef uint64_t index
        cdef Py_ssize_t run = 0, most = 0
        for index in range(self.now.mask + 1):
            run = run + 1 if self.now.words[index] else 0
            most = max(most, run)
        return most

    @property
    def size_bytes(self):
        """Memory of the tables."""
        return 8 * (self.now.mask + 1) + (0 if self.before is None else 8 * (self.before.mask + 1))
