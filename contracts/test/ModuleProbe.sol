// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {CAIRN_TERRITORY} from "../interfaces/ITerritory.sol";

/// Calls native modules in every way that a contract can, also in those that are refused.
contract ModuleProbe {
    event Received(uint256 amount);

    error Enough();

    uint8 private constant CALL = 0;
    uint8 private constant STATICCALL = 1;
    uint8 private constant DELEGATECALL = 2;

    /// Runs when somebody pays by a call; what modules pay back must not run it.
    receive() external payable {
        emit Received(msg.value);
    }

    /// One call of a kind (3 and above: CALLCODE) with a gas limit; what comes back is returned.
    function raw(uint8 kind, address target, uint256 value, uint256 limit, bytes memory input)
        public
        payable
        returns (bool good, bytes memory output)
    {
        if (kind == CALL) {
            (good, output) = target.call{value: value, gas: limit}(input);
        } else if (kind == STATICCALL) {
            (good, output) = target.staticcall{gas: limit}(input);
        } else if (kind == DELEGATECALL) {
            (good, output) = target.delegatecall{gas: limit}(input);
        } else {
            assembly ("memory-safe") {
                good := callcode(limit, target, value, add(input, 32), mload(input), 0, 0)
                output := mload(0x40)
                mstore(output, returndatasize())
                returndatacopy(add(output, 32), 0, returndatasize())
                mstore(0x40, add(add(output, 32), and(add(returndatasize(), 31), not(31))))
            }
        }
    }

    /// Leases and then reverts: nothing of the lease may stay.
    function leaseAndFail(uint64 size, uint64 time) external payable {
        CAIRN_TERRITORY.lease{value: msg.value}(size, 1, time, "");
        revert Enough();
    }

    /// The same inside a frame of its own, while this one goes on, and once more in earnest.
    function leaseFailLease(uint64 size, uint64 time)
        external
        payable
        returns (uint64 before, uint64 after_)
    {
        before = CAIRN_TERRITORY.count();
        try this.leaseAndFail{value: msg.value}(size, time) {
            revert Enough();
        } catch {
            require(CAIRN_TERRITORY.count() == before, "a lease outlived its frame");
        }
        CAIRN_TERRITORY.lease{value: msg.value}(size, 1, time, "");
        after_ = CAIRN_TERRITORY.count();
    }
}
