# SPDX-License-Identifier: GPL-2.0-only
# See "make help". The Makefiles in drivers/ build the kernel modules.

TOP := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
BUILD := $(abspath $(or $(VFIO_SNAPSHOT_BUILD),$(TOP)/build))
export VFIO_SNAPSHOT_BUILD := $(BUILD)

KDIR ?= /lib/modules/$(shell uname -r)/build
# Older kernels were not tried. Kbuild leaves out back-ends that the kernel does not support.
KERNEL_MIN := 6.12
MODULES := $(TOP)/drivers/vfio/pci/snapshot
KBUILD = $(MAKE) -C $(KDIR) M=$(MODULES) CONFIG_VFIO_SNAPSHOT=m CONFIG_VIRTIO_SNAPSHOT_VFIO_PCI=m CONFIG_MLX5_SNAPSHOT_VFIO_PCI=m

.PHONY: help demo bench bench-doc htmldocs check check-debug mutants modules modules_install unit kselftest deb check-kernels vm clean kdir

help:
	@echo 'As root on Debian 12 or 13; the first run fetches and builds what it needs in build/:'
	@echo '  make demo             live-migrate a running guest from one VF to another'
	@echo '  make check            run all tests; the last line counts passed, failed and skipped'
	@echo '  make check-debug      run the long kselftests, on a kernel with KASAN, lockdep, kmemleak, fault injection'
	@echo '  make mutants          break the code in one place after another; each time a test must notice'
	@echo '  make bench [DRIVER=]  compare our driver with the upstream one: a table, build/bench.json and .svg'
	@echo '  make bench-doc        copy the last result to Documentation/'
	@echo '  make kselftest        run only the kselftests, in the test machine'
	@echo '  make htmldocs         build Documentation/ as HTML in build/htmldocs'
	@echo '  make deb              build Debian packages in build/deb: the modules for DKMS, the command vfio-snapshot'
	@echo '  make check-kernels    compile the modules for every kernel that Debian serves'
	@echo '  make vm               open a shell in the test machine, with the driver bound'
	@echo 'For this machine:'
	@echo '  make modules [KDIR=]  build the kernel modules (KDIR: kernel headers or build tree)'
	@echo '  make modules_install  install them'
	@echo '  make unit             run the unit tests'
	@echo '  make clean            delete the build'
	@echo 'VFIO_SNAPSHOT_BUILD=FOLDER puts the build elsewhere.'

demo:
	$(TOP)/tools/testvm/setup.sh root initramfs source qemu modules migration
	$(TOP)/tools/testvm/vm.sh -n demo -t 600 -- /vfio-snapshot/src/tools/testing/migration/demo.sh

check:
	@$(TOP)/tools/testing/check.sh -j 3

check-debug:
	@$(TOP)/tools/testing/check.sh -j 3 @check-debug

mutants:
	@$(TOP)/tools/testing/mutants/run.sh

htmldocs:
	@$(TOP)/tools/docs/html.sh

# SCENARIOS="small delay": run only these, show the result and do not keep it.
bench:
	@$(TOP)/tools/testing/bench/run.sh $(if $(DRIVER),-d $(DRIVER)) $(SCENARIOS)

bench-doc:
	@$(TOP)/tools/testing/bench/doc.sh

kselftest:
	@$(TOP)/tools/testing/check.sh kselftest

# Use this machine's compiler, or else that of the test root.
unit:
	@if command -v $(CC) >/dev/null; then $(MAKE) -s -C $(TOP)/tools/testing/unit check; \
	else $(TOP)/tools/testing/check.sh unit; fi

deb:
	@$(TOP)/tools/testing/install/build-deb.sh

check-kernels:
	@$(TOP)/tools/testing/check.sh kernels

vm:
	$(TOP)/tools/testvm/setup.sh root initramfs source qemu modules
	@$(TOP)/tools/testvm/vm.sh -n shell -i -- /vfio-snapshot/src/tools/testvm/l1/shell.sh

kdir:
	@[ -e $(KDIR)/Makefile ] || { \
		echo 'error: no kernel headers in $(KDIR)' >&2; \
		echo 'next step: apt-get install linux-headers-$(shell uname -r)' \
			'(or linux-headers-amd64 and that kernel), or give KDIR=' >&2; exit 1; }
	@version=$$($(MAKE) -s --no-print-directory -C $(KDIR) kernelversion) || exit 1; \
	printf '%s\n' $(KERNEL_MIN) "$$version" | sort -CV || { \
		echo "error: the kernel of $(KDIR) is $$version, this needs $(KERNEL_MIN) or newer" >&2; \
		echo 'next step: on Debian, linux-image-amd64 and linux-headers-amd64 from backports' >&2; \
		exit 1; }

modules: kdir
	$(KBUILD) $@

# Kbuild runs depmod only with a System.map, which kernel headers do not have.
modules_install: kdir
	$(KBUILD) $@
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) \
		$$($(MAKE) -s --no-print-directory -C $(KDIR) kernelrelease)

# Mounts cannot lead rm out of the build folder, because the test bed mounts in its own namespaces.
# VFIO_SNAPSHOT_BUILD may be any folder, so delete only one that has our stamps.
clean:
	@if [ -d "$(BUILD)/stamps" ]; then rm -rf --one-file-system -- "$(BUILD)"; \
	elif [ -e "$(BUILD)" ]; then echo "$(BUILD) does not look like our build folder: left alone"; fi
	@find $(MODULES) \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name modules.order -o -name Module.symvers \) -type f -delete
