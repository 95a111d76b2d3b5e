// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {CAIRN_TERRITORY} from "../interfaces/ITerritory.sol";
import {CAIRN_BUCKET} from "../interfaces/IBucket.sol";

/// An archive that pays for its own space by selling access to it.
///
/// The contract leases a territory and owns a bucket in it, through the native modules of the
/// ledger. Its publisher lets his gateway write there. A reader pays for a number of periods and
/// leaves the key that content is to be re-encrypted for; whoever serves the archive asks
/// hasAccess() before he does. What readers paid can be used by anyone to make the lease longer;
/// the publisher can take only what is left above a reserve that keeps the lease alive.
contract PaywalledArchive {
    error NotPublisher();
    error WrongPayment(uint256 sent, uint256 needed);
    error BadKey();
    error ReserveNeeded(uint256 balance, uint256 reserve);
    error TransferFailed();

    event Opened(uint64 indexed territory, bytes32 indexed bucket);
    event Subscribed(address indexed reader, uint64 until, bytes readerKey);
    event Extended(uint64 expires, uint256 paid);

    uint8 private constant REDUNDANCY = 1;
    uint32 private constant SCOPE_READ_WRITE = 3;
    uint256 private constant MAX_PERIODS = 120;

    address public immutable publisher;
    uint256 public immutable pricePerPeriod;
    uint64 public immutable period;
    uint64 public immutable leaseTime;
    uint64 public immutable territory;
    bytes32 public immutable bucket;
    uint64 public immutable size;

    mapping(address reader => uint64 until) public accessUntil;

    /// Leases `size_` bytes for `leaseTime_` seconds from what is sent; the rest stays here.
    constructor(
        uint64 size_,
        uint64 leaseTime_,
        uint256 pricePerPeriod_,
        uint64 period_,
        bytes memory name,
        bytes memory labelKey
    ) payable {
        publisher = msg.sender;
        pricePerPeriod = pricePerPeriod_;
        period = period_;
        leaseTime = leaseTime_;
        size = size_;
        uint256 cost = CAIRN_TERRITORY.price(size_, REDUNDANCY, leaseTime_);
        if (msg.value < cost) {
            revert WrongPayment(msg.value, cost);
        }
        uint64 leased = CAIRN_TERRITORY.lease{value: cost}(size_, REDUNDANCY, leaseTime_, "");
        bytes32 made =
            CAIRN_BUCKET.create(address(this), bytes32(uint256(1)), leased, name, labelKey, 0);
        territory = leased;
        bucket = made;
        emit Opened(leased, made);
    }

    modifier onlyPublisher() {
        if (msg.sender != publisher) {
            revert NotPublisher();
        }
        _;
    }

    /// What the modules pay back.
    receive() external payable {}

    /// Buys access for whole periods, after what the reader has already.
    function subscribe(uint64 periods, bytes calldata readerKey) external payable {
        if (periods == 0 || periods > MAX_PERIODS || msg.value != periods * pricePerPeriod) {
            revert WrongPayment(msg.value, periods * pricePerPeriod);
        }
        if (readerKey.length != 33) {
            revert BadKey();
        }
        uint64 from = accessUntil[msg.sender];
        if (from < block.timestamp) {
            from = uint64(block.timestamp);
        }
        accessUntil[msg.sender] = from + periods * period;
        emit Subscribed(msg.sender, from + periods * period, readerKey);
    }

    function hasAccess(address reader) external view returns (bool) {
        return accessUntil[reader] >= block.timestamp;
    }

    /// Pays for `time` more seconds of the lease from what the archive earned. For anyone.
    function extend(uint64 time) external {
        uint256 cost = CAIRN_TERRITORY.price(size, REDUNDANCY, time);
        CAIRN_TERRITORY.renew{value: cost}(territory, time);
        emit Extended(expires(), cost);
    }

    /// Lets a gateway write and read for the archive.
    function appoint(uint32 gateway, uint64 quota, uint64 until, bytes calldata sealedKey)
        external
        onlyPublisher
    {
        CAIRN_BUCKET.authorise(territory, gateway, SCOPE_READ_WRITE, quota, until, sealedKey);
    }

    function dismiss(uint32 gateway) external onlyPublisher {
        CAIRN_BUCKET.revoke(territory, gateway);
    }

    /// Takes earnings out, but for the price of one more lease time.
    function withdraw(address payable to, uint256 amount) external onlyPublisher {
        uint256 reserve = CAIRN_TERRITORY.price(size, REDUNDANCY, leaseTime);
        if (amount > address(this).balance || address(this).balance - amount < reserve) {
            revert ReserveNeeded(address(this).balance, reserve);
        }
        (bool sent,) = to.call{value: amount}("");
        if (!sent) {
            revert TransferFailed();
        }
    }

    /// When the lease ends (block time).
    function expires() public view returns (uint64 end) {
        (,,,,, end,,) = CAIRN_TERRITORY.get(territory);
    }

    /// Bytes stored and bytes leased.
    function usage() external view returns (uint64 used, uint64 leased) {
        (,,, leased, used,,,) = CAIRN_TERRITORY.get(territory);
    }

    /// The newest state of the archive: head of the bucket's journal and where it lies.
    function head() external view returns (bytes32 current, bytes20 locator, uint64 moves) {
        (,,,, current, locator, moves,,,,) = CAIRN_BUCKET.get(bucket);
    }
}
