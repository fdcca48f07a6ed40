package watch

// builtin is what no scope watches unless its Ignore takes it back: what tools
// write beside the source, and what editors leave while they save.
var builtin = parsePatterns(`
# version control
.git
.hg
.svn
.jj
.bzr
CVS
.gitignore
.gitattributes
.gitkeep

# msctl's own
.msctl

# dependencies
node_modules
bower_components
.pnpm-store
.venv
venv
.eggs
*.egg-info
.bundle
.terraform
.direnv

# caches
__pycache__
*.pyc
*.pyo
.mypy_cache
.pytest_cache
.ruff_cache
.pytype
.hypothesis
.ipynb_checkpoints
.tox
.nox
.cache
.parcel-cache
.turbo
.nx
.next
.nuxt
.svelte-kit
.angular
.astro
.vite
.eslintcache
.stylelintcache
*.tsbuildinfo
.gradle
.kotlin
.bloop
.metals
.dart_tool
.zig-cache
.stack-work
.elixir_ls

# editors and desktops
.idea
.vscode
.vs
.fleet
.zed
*.iml
.DS_Store
._*
Thumbs.db
desktop.ini
.directory

# what editors write while they save
*~
4913
.*.sw[a-z]
.sw[a-z]
*.sw[op]
.#*
\#*#
*___jb_tmp___
*___jb_old___
.goutputstream-*
.*.kate-swp
.~lock.*#
~$*
.subl*.tmp
.*.un~
.netrwhist

# databases
*.db
*.db-journal
*.db-wal
*.db-shm
*.sqlite
*.sqlite-journal
*.sqlite-wal
*.sqlite-shm
*.sqlite3
*.sqlite3-journal
*.sqlite3-wal
*.sqlite3-shm
*.db3
*.db3-journal
*.db3-wal
*.db3-shm

# what running and testing leaves
*.log
*.pid
*.sock
nohup.out
.coverage
.coverage.*
coverage.xml
coverage.out
*.coverprofile
htmlcov
.nyc_output
lcov.info
*.lcov
*.gcda
*.gcno
*.profraw
*.prof
*.pprof
core.[0-9]*
`)
