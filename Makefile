# The two commands of the README, and the longer suites. Meson does the building; this installs what it needs first.
SHELL := /bin/bash
BUILD ?= build
MESON_FLAGS ?=
PREFIX ?= /usr/local

.PHONY: all deps build run test test-sanitize test-threads test-upstream test-cross test-arm64 test-linux bench fuzz install clean

all: build

deps:
	@./scripts/install-packages packages.txt

$(BUILD)/build.ninja: | deps
	meson setup $(BUILD) --buildtype=debugoptimized --prefix=$(PREFIX) $(MESON_FLAGS)

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

run: build
	@./scripts/demo $(BUILD)

test: build
	@./scripts/run-tests $(BUILD)

# The same tests under AddressSanitizer and UndefinedBehaviorSanitizer.
test-sanitize:
	@ASAN_OPTIONS=verify_asan_link_order=0:$$ASAN_OPTIONS $(MAKE) --no-print-directory test BUILD=build-sanitize MESON_FLAGS='--buildtype=debugoptimized -Db_sanitize=address,undefined'

# Threads against each other, under ThreadSanitizer.
test-threads:
	@$(MAKE) --no-print-directory build BUILD=build-threads MESON_FLAGS='--buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false'
	@./scripts/run-tests build-threads threads

# Linux's own KVM selftests, unmodified, from Debian's linux-source package.
test-upstream: build
	@./tests/upstream/run $(BUILD)

# What other machines have of anykvm (register ids, hardware KVM, the library), cross-built and under qemu-user.
test-cross: deps
	@./scripts/test-cross

# arm64 guests: the interpreter against qemu-user's processor; the build for aarch64 with its tests and Linux's selftests.
test-arm64: build
	@./scripts/test-arm64 $(BUILD)

# The patches of linux/: applied to Debian's Linux, built, booted under QEMU with KVM inside.
test-linux: build
	@./scripts/install-packages linux/packages.txt
	@./linux/run build-linux $(BUILD)

bench: build
	@./bench/run $(BUILD)

fuzz:
	@./tests/fuzz/run

install: build
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf build build-sanitize build-threads build-clang build-cross build-fuzz build-linux
