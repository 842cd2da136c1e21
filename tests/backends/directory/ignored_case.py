"""A file system that ignores case, imitated: a library that is preloaded lets names differ in case alone.

Each name below the directory IGNORES_CASE stands for the entry that differs from it in case alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

SOURCE: Final = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
static __thread char all[4][PATH_MAX]; static __thread int next, inside;
static const char *fix(const char *path) {
  const char *root = getenv("IGNORES_CASE");
  if (!path || !root || inside || strncmp(path, root, strlen(root)) || strlen(path) >= PATH_MAX) return path;
  char *copy = all[next++ & 3], *name; strcpy(copy, path);
  if (!(name = strrchr(copy, '/')) || !name[1]) return path;
  *name = 0; inside = 1; DIR *dir = opendir(copy); *name = '/';
  if (dir) {
    struct dirent *e; char hit[300] = "";
    while ((e = readdir(dir))) {
      if (!strcmp(e->d_name, name + 1)) { hit[0] = 0; break; }
      if (!strcasecmp(e->d_name, name + 1)) strcpy(hit, e->d_name);
    }
    if (hit[0]) strcpy(name + 1, hit);
    closedir(dir);
  }
  inside = 0; return copy;
}
#define REAL(n) static int (*real)(); if (!real) real = dlsym(RTLD_NEXT, #n)
#define P(n, T, t) int n(const char *p, T t) { REAL(n); return real(fix(p), t); }
#define DP(n, T, t, U, u) int n(int d, const char *p, T t, U u) { REAL(n); return real(d, fix(p), t, u); }
#define OPEN(n) int n(const char *p, int f, ...) { \
  va_list a; va_start(a, f); REAL(n); return real(fix(p), f, va_arg(a, int)); }
#define OPENAT(n) int n(int d, const char *p, int f, ...) { \
  va_list a; va_start(a, f); REAL(n); return real(d, fix(p), f, va_arg(a, int)); }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)
P(stat, void *, s) P(stat64, void *, s) P(lstat, void *, s) P(lstat64, void *, s)
P(access, int, m) P(mkdir, unsigned, m)
DP(fstatat, void *, s, int, f) DP(fstatat64, void *, s, int, f)
int unlink(const char *p) { REAL(unlink); return real(fix(p)); }
int unlinkat(int d, const char *p, int f) { REAL(unlinkat); return real(d, fix(p), f); }
int rename(const char *p, const char *q) { REAL(rename); return real(fix(p), fix(q)); }
int renameat(int d, const char *p, int e, const char *q) {
  REAL(renameat); return real(d, fix(p), e, fix(q)); }
int link(const char *p, const char *q) { REAL(link); return real(fix(p), fix(q)); }
int linkat(int d, const char *p, int e, const char *q, int f) {
  REAL(linkat); return real(d, fix(p), e, fix(q), f); }
"""


def run_where_case_is_ignored(root: Path, library: Path, code: str) -> str:
    """Run a program whose file system ignores case below `root`; return its output."""
    environment = {**os.environ, "IGNORES_CASE": str(root), "LD_PRELOAD": str(library)}
    command = [sys.executable, "-c", code, str(root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(directory: Path) -> Path:
    """Compile the library; return its path.  Raise `OSError` where there is no compiler."""
    source, library = directory / "ignored_case.c", directory / "ignored_case.so"
    source.write_text(SOURCE)
    command = ["cc", "-shared", "-fPIC", "-w", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library
