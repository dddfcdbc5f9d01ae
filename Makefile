# SPDX-License-Identifier: GPL-2.0-only
# See "make help". The kernel modules themselves are described by the Makefiles in drivers/.

TOP := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
BUILD := $(abspath $(or $(VFIO_SNAPSHOT_BUILD),$(TOP)/build))
export VFIO_SNAPSHOT_BUILD := $(BUILD)

KDIR ?= /lib/modules/$(shell uname -r)/build
# Older ones were not tried. Kbuild leaves out back-ends that the kernel lacks something for.
KERNEL_MIN := 6.12
MODULES := $(TOP)/drivers/vfio/pci/snapshot
KBUILD = $(MAKE) -C $(KDIR) M=$(MODULES) CONFIG_VFIO_SNAPSHOT=m CONFIG_VIRTIO_SNAPSHOT_VFIO_PCI=m CONFIG_MLX5_SNAPSHOT_VFIO_PCI=m

.PHONY: help demo bench bench-doc htmldocs check check-debug modules modules_install unit kselftest deb check-kernels vm clean kdir

help:
	@echo 'As root, on Debian 12 or 13 (the first run fetches and builds what it needs, in build/):'
	@echo '  make demo             a running guest is live-migrated from one VF to another'
	@echo '  make check            all tests; ends with the line "N passed, N failed"'
	@echo '  make check-debug      the long kselftests, on a kernel with KASAN, lockdep, kmemleak, fault injection'
	@echo '  make bench [DRIVER=]  our driver beside the upstream one, measured: a table, build/bench.json and .svg'
	@echo '  make bench-doc        put the last result into Documentation/'
	@echo '  make kselftest        only the kselftests, in the test machine'
	@echo '  make htmldocs         Documentation/ as HTML, in build/htmldocs'
	@echo '  make deb              Debian packages, in build/deb: the modules by DKMS, and the command vfio-snapshot'
	@echo '  make check-kernels    compile the modules for every kernel that Debian serves'
	@echo '  make vm               a shell in the test machine, with the driver bound'
	@echo 'For this machine:'
	@echo '  make modules [KDIR=]  build the kernel modules (KDIR: kernel headers or build tree)'
	@echo '  make modules_install  install them'
	@echo '  make unit             the unit tests'
	@echo '  make clean            delete what was built'
	@echo 'VFIO_SNAPSHOT_BUILD=FOLDER keeps the build elsewhere.'

demo:
	$(TOP)/tools/testvm/setup.sh root initramfs source qemu modules migration
	$(TOP)/tools/testvm/vm.sh -n demo -t 600 -- /vfio-snapshot/src/tools/testing/migration/demo.sh

check:
	@$(TOP)/tools/testing/check.sh -j 3

check-debug:
	@$(TOP)/tools/testing/check.sh -j 2 @check-debug

htmldocs:
	@$(TOP)/tools/docs/html.sh

# SCENARIOS="small delay": only these, shown and not kept.
bench:
	@$(TOP)/tools/testing/bench/run.sh $(if $(DRIVER),-d $(DRIVER)) $(SCENARIOS)

bench-doc:
	@$(TOP)/tools/testing/bench/doc.sh

kselftest:
	@$(TOP)/tools/testing/check.sh kselftest

# With this machine's compiler; in the test root where there is none.
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

# A kernel's headers, unlike its build tree, have no System.map, and Kbuild then leaves depmod out.
modules_install: kdir
	$(KBUILD) $@
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) \
		$$($(MAKE) -s --no-print-directory -C $(KDIR) kernelrelease)

# No rm follows a mount out of here: the test bed mounts in namespaces of its own. The folder is
# asked for its mark, because VFIO_SNAPSHOT_BUILD may be anything.
clean:
	@if [ -d "$(BUILD)/stamps" ]; then rm -rf --one-file-system -- "$(BUILD)"; \
	elif [ -e "$(BUILD)" ]; then echo "$(BUILD) does not look like our build folder: left alone"; fi
	@find $(MODULES) \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name modules.order -o -name Module.symvers \) -type f -delete
